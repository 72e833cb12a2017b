"""Annotations that steps leave on what they write, and those they obey."""

CREATION_POLICY = "lockstep.dev/creation-policy"  # on targets: one that outlives its manifest says so itself
DERIVED = "lockstep.dev/derived"  # on PushSecrets: publishing a managed Secret again is meant
