"""Which workloads run which version of a consumer's Secret, where the platform has workloads."""

from collections.abc import Callable
from dataclasses import dataclass, field

from events.references import SecretRef
from functions import STEPS
from functions._capability import Capability
from functions._failures import StepFailure
from functions._marks import RESTART
from functions._ports import Ports
from functions._standing import Standing, standings
from infra.hosts.platform import Platform
from infra.hosts.views.hops import Hop

MOST = 100  # Secrets that one question asks about: each is a listing of its namespace, and of its workloads' pods
_STEP = "adopted"  # whose rights are used: it follows workloads


@dataclass(frozen=True, slots=True)
class Stood:
    """The workloads of one Secret; `unknown` says why they could not be asked for."""

    workloads: tuple[Standing, ...] = ()
    unknown: str = ""


@dataclass
class Standings:
    """Asks for one question, each Secret once."""

    ports: Ports
    _known: dict[SecretRef, Stood] = field(default_factory=dict)

    def of(self, secret: SecretRef) -> Stood:
        if secret not in self._known:
            self._known[secret] = self._asked(secret)
        return self._known[secret]

    def _asked(self, secret: SecretRef) -> Stood:
        if len(self._known) >= MOST:
            return Stood(unknown=f"only {MOST} Secrets are asked about at once; name this one")
        try:
            return Stood(tuple(standings(secret, self.ports)))
        except StepFailure as failure:
            return Stood(unknown=failure.reason)


def standings_of(platform: Platform, ports_of: Callable[[str], Ports]) -> Standings | None:
    """None where there are no workloads: who reads files sees what they hold."""
    followed = any(
        step.name == _STEP and Capability.WORKLOAD_READ in step.needs and platform.runs(step) for step in STEPS
    )
    return Standings(ports_of(_STEP)) if followed else None


def hops(secret: SecretRef, stood: Stood) -> tuple[Hop, ...]:
    """One hop for each workload of a consumer."""
    if stood.unknown:
        return (Hop("workload", "waiting", f"workloads of Secret {secret}", f"not known: {stood.unknown}"),)
    return tuple(_hop(one) for one in stood.workloads)


def _hop(one: Standing) -> Hop:
    subject, target = str(one.workload), f"{one.workload.kind.lower()} {one.workload.name}"
    kubectl = f"kubectl -n {one.workload.namespace}"
    if one.state == "current":
        return Hop("workload", "ok", subject, says(one))
    if one.state == "stuck":
        return Hop("workload", "broken", subject, says(one), (f"see why: {kubectl} describe {target}",))
    if one.state != "stale" or one.restarts:
        return Hop("workload", "waiting", subject, says(one))
    always = f"or have it done always: {kubectl} annotate {target} {RESTART}=true"
    return Hop("workload", "waiting", subject, says(one), (f"{kubectl} rollout restart {target}", always))


def says(one: Standing) -> str:
    """What a workload runs, in a few words."""
    older = f"{one.older} of {one.pods} pods began before the newest version"
    if one.state == "current":
        seen = "its pods began after it" if one.evidence == "rolled-out" else "its volumes hold it"
        return f"runs the newest version ({seen})" if one.pods else "runs the newest version (it has no pods)"
    if one.state == "moving":
        return f"is being rolled out; {older}" if one.older else "is being rolled out"
    if one.state == "waiting":
        return f"waits to be restarted: {one.reason}; {older}"
    if one.state == "stuck":
        return f"is stuck: {one.reason}; {older}"
    return f"{older}" + ("; its restart is due" if one.restarts else "; nobody asked to restart it")
