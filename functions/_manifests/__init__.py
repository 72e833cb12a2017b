"""The wiring manifests, exactly in External Secrets Operator's shapes (reference: ESO 2.x custom resources)."""
