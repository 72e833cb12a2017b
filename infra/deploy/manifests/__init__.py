"""Everything that `kubectl apply` needs, one module per family of kinds (DESIGN, principle 4)."""
