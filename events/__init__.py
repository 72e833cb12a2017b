"""The contract between the steps: one model per event type, strict decoding, stable identities.

Nothing here holds a secret value: events carry references (store, path, key names, version), never values.
"""
