"""Vault and OpenBao as the authority, over one thin HTTP client (rooms: infra/stores)."""
