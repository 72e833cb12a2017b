"""Leases of dynamic credentials: about to end, renewed, revoked, over (DESIGN, "Vault lease expiring")."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from events.event import Category, Event
from events.references import Instant, PathRef
from events.secret import Explanation

# As the authority names it: `database/creds/orders/2f6a614c…`. It names a credential, and reveals none.
LeaseId = Annotated[
    str, Field(max_length=1024, pattern=r"^[A-Za-z0-9_][-A-Za-z0-9_.]*(/[A-Za-z0-9_][-A-Za-z0-9_.]*)+$")
]


class _Lease(Event):
    """What all of them say: which lease, and at which path its credential is."""

    CATEGORY: ClassVar[Category] = Category.FACT

    path: PathRef
    lease: LeaseId

    @property
    def about(self) -> PathRef:
        return self.path

    @property
    def state(self) -> str:
        return self.lease


class LeaseExpiring(_Lease):
    """Less than about a third of the lease is left: it is to be renewed, or its credential to be replaced."""

    TYPE: ClassVar[str] = "dev.lockstep.lease.expiring"

    expires: Instant

    @property
    def state(self) -> str:
        return f"{self.lease}@{self.expires.isoformat()}"


class LeaseRenewed(_Lease):
    """The authority prolonged the lease.

    `capped`: by less than before, as the lease has met its longest life; a new credential was asked for.
    """

    TYPE: ClassVar[str] = "dev.lockstep.lease.renewed"

    expires: Instant
    capped: bool = False

    @property
    def state(self) -> str:
        return f"{self.lease}@{self.expires.isoformat()}"

    @property
    def result(self) -> str:
        return "capped" if self.capped else "renewed"


class LeaseExpired(_Lease):
    """The credential at the path is no longer held by a lease that can be prolonged; a new one was asked for.

    `gone`: the authority knows the lease no more. `irrevocable`: its time is over, and the authority failed to revoke
    it: the credential may still be accepted. `fixed`: the lease cannot be renewed at all.
    """

    TYPE: ClassVar[str] = "dev.lockstep.lease.expired"

    reason: Literal["gone", "irrevocable", "fixed"]
    explanation: Explanation

    @property
    def result(self) -> str:
        return self.reason


class LeaseRevoked(_Lease):
    """Nobody is to have the credential any more, and the authority revoked it, as the grace was over."""

    TYPE: ClassVar[str] = "dev.lockstep.lease.revoked"

    explanation: Explanation
