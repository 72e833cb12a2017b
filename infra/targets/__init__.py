"""Systems whose credentials are rotated, one module per type (rooms: infra/targets)."""
