"""Secrets, ConfigMaps and Services of a cluster, through its API server."""
