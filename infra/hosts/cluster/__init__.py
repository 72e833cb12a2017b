"""A cluster as the host meets it: what is confirmed, stopped, ordered and allowed there, and what it is told."""
