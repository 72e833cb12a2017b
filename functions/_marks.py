"""Annotations that steps leave on what they write, and those they obey."""

CREATION_POLICY = "lockstep.dev/creation-policy"  # on targets: one that outlives its manifest says so itself
SOURCE_KIND = "lockstep.dev/source-kind"  # on PushSecrets: ConfigMap or Service, if their selector names no Secret
DERIVED = "lockstep.dev/derived"  # on PushSecrets: publishing a managed Secret again is meant
DATA_SINCE = "lockstep.dev/data-since"  # on targets: which change of the data this is, and when it was written

CONSUMERS = "lockstep.dev/consumers"  # on Rotations: "elsewhere", if some read the authority themselves

RESTART = "lockstep.dev/restart"  # on workloads: "true", "when-needed" or "false"
RESTART_WINDOW = "lockstep.dev/restart-window"  # on workloads: "Mon-Fri 22:00-04:00 Europe/Berlin"
RESTART_BUDGET = "lockstep.dev/restart-budget"  # on workloads: restart only beside fewer than this many others
RESTARTED_FOR = "lockstep.dev/restarted-for"  # on pod templates: the digest of what they were restarted for
