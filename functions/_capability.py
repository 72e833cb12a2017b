"""What a step may do, declared beside what it does; rendering binds it to wired paths and namespaces."""

from enum import Enum


class Capability(Enum):
    """One permission of a step. The value is how documentation names it."""

    SOURCE_READ = "read the source Secrets that PushSecrets name"
    SOURCE_METADATA = "see source Secrets' metadata, not their values"
    TARGET_METADATA = "see target Secrets' metadata, not their values"
    TARGET_READ = "read the target Secrets that ExternalSecrets name"
    TARGET_WRITE = "create and update target Secrets"
    TARGET_DELETE = "delete target Secrets"
    AUTHORITY_READ = "read values at wired paths"
    AUTHORITY_WRITE = "write values at wired paths of producers"
    AUTHORITY_DELETE = "delete versions at wired paths of producers"
    AUTHORITY_METADATA = "read metadata (versions, times) at wired paths"
    AUTHORITY_LIST = "list names below the prefixes that ExternalSecrets search"
    CLAIM_READ = "read claims"
    CLAIM_WRITE = "create and change claims"
    TOMBSTONE_READ = "list and read tombstones"
    TOMBSTONE_WRITE = "set, change and remove tombstones"
    PUBLICATION_READ = "read which version of a path its origin confirmed"
    PUBLICATION_WRITE = "record which version of a path its origin confirmed"
    WORKLOAD_READ = "see workloads that use target Secrets, and their pods' states"
    WORKLOAD_WRITE = "restart workloads by an annotation on their pod template"
    ROLLOUT_READ = "read what was last done for a workload"
    ROLLOUT_WRITE = "record what was done for a workload"
    BUDGET_WRITE = "take and give back slots of a budget"
    REMINDER_WRITE = "list, set and remove reminders of what is due"
    LEDGER_WRITE = "append to the ledger and anchor it"
