"""Annotations and marks that steps leave on what they write, and those they obey."""

CREATION_POLICY = "lockstep.dev/creation-policy"  # on targets: one that outlives its manifest says so itself
DERIVED = "lockstep.dev/derived"  # on PushSecrets: publishing a managed Secret again is meant
# Kubernetes gives these to one workload or node each; distributing one gives away its identity.
REFUSED_TYPES = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
RESERVED_METADATA = ("lockstep.dev/", "kubernetes.io/", "reconcile.external-secrets.io/")
