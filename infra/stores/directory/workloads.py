"""`Workloads` where there are none: a projection onto one machine has files, and nothing that makes pods."""

from typing import TYPE_CHECKING

from functions._failures import Conflict

if TYPE_CHECKING:  # where there are none, nothing else loads what they are
    from events.consumer import WorkloadRef
    from functions._workloads import Pod, Workload


class NoWorkloads:
    """Finds nothing, so that nothing is restarted or followed."""

    def list(self, namespace: str) -> "tuple[Workload, ...]":
        return ()

    def read(self, ref: "WorkloadRef") -> "Workload | None":
        return None

    def pods(self, ref: "WorkloadRef") -> "tuple[Pod, ...]":
        return ()

    def restart(self, ref: "WorkloadRef", digest: str, expected: str) -> None:
        raise Conflict(f"{ref} is gone: there are no workloads here")
