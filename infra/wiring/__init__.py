"""The wiring: manifests read from a directory, checked, linted and indexed."""
