"""Which workloads asked to be restarted, and for which of the Secrets they use.

Ours: `lockstep.dev/restart` on the workload: "true" for every Secret that it uses, "when-needed" for those that its
running containers never see change, "false" for none, whatever else is said. Without it, Stakater Reloader's
annotations count as Reloader reads them: on the workload, or on its pod template where the workload has none.
"""

from collections.abc import Mapping

from functions._failures import Reject
from functions._manifests.expression import compile_expression
from functions._marks import RESTART
from functions._ports import Settings
from functions._workloads import FROZEN, Use, Workload

_AUTO = "reloader.stakater.com/auto"
_SECRET_AUTO = "secret.reloader.stakater.com/auto"  # noqa: S105  an annotation's name
_RELOAD = "secret.reloader.stakater.com/reload"
_SEARCH = "reloader.stakater.com/search"
_MATCH = "reloader.stakater.com/match"
_IGNORE = "reloader.stakater.com/ignore"
_EXCLUDE = "secrets.exclude.reloader.stakater.com/reload"
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")  # of a Secret; anything else makes it a pattern
_RELEVANT = (_RELOAD, _SEARCH, _AUTO, _SECRET_AUTO)


def may_want(workload: Workload, secret: str, settings: Settings) -> bool:
    """Whether the workload could ask for a restart because of this Secret, by what the workload alone says."""
    if RESTART in workload.annotations:
        return workload.annotations[RESTART] in ("true", "when-needed") and secret in workload.uses
    said = _reloader(workload) if settings.restart_for_reloader else None
    if said is None:
        return False
    return _named(said.get(_RELOAD, ""), secret) or (secret in workload.uses and _asks_for_all(said))


def wanted_uses(workload: Workload, secret: str, annotations: Mapping[str, str], settings: Settings) -> frozenset[Use]:
    """The uses of a Secret (with these annotations) for which the workload asks to be restarted; none: it does not."""
    uses = workload.uses.get(secret, frozenset())
    own = workload.annotations.get(RESTART)
    if own is not None:
        return uses if own == "true" else uses & FROZEN if own == "when-needed" else frozenset()
    said = _reloader(workload) if settings.restart_for_reloader else None
    if said is None or annotations.get(_IGNORE) == "true" or secret in _listed(said.get(_EXCLUDE, "")):
        return frozenset()
    if _named(said.get(_RELOAD, ""), secret):
        return uses or frozenset({Use.NAMED})
    searched = said.get(_SEARCH) == "true" and annotations.get(_MATCH) == "true"
    return uses if searched or "true" in (said.get(_AUTO), said.get(_SECRET_AUTO)) else frozenset()


def named(workload: Workload, settings: Settings) -> tuple[str, ...]:
    """Secrets that Reloader's annotation names outright, patterns left out: they need not be used by the pods."""
    said = _reloader(workload) if settings.restart_for_reloader and RESTART not in workload.annotations else None
    return tuple(name for name in _listed((said or {}).get(_RELOAD, "")) if set(name) <= _NAME)


def asks(workload: Workload, settings: Settings) -> bool:
    """Whether the workload asks to be restarted at all."""
    if RESTART in workload.annotations:
        return workload.annotations[RESTART] in ("true", "when-needed")
    said = _reloader(workload) if settings.restart_for_reloader else None
    return said is not None and (bool(_listed(said.get(_RELOAD, ""))) or _asks_for_all(said))


def _reloader(workload: Workload) -> Mapping[str, str] | None:
    for annotations in (workload.annotations, workload.template_annotations):
        if any(name in annotations for name in _RELEVANT):
            return annotations
    return None


def _asks_for_all(said: Mapping[str, str]) -> bool:
    return "true" in (said.get(_AUTO), said.get(_SECRET_AUTO), said.get(_SEARCH))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _named(text: str, secret: str) -> bool:
    for name in _listed(text):
        try:
            found = name == secret or bool(compile_expression(name).fullmatch(secret))
        except Reject:
            continue  # no expression: a name that is not this one, as Reloader has it
        if found:
            return True
    return False
