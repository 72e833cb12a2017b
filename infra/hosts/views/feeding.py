"""Which Rotation feeds what was named instead of it: a consumer's Secret, an ExternalSecret, a path."""

from events.references import PathRef
from functions._ports import Wiring
from infra.hosts.views.pipeline import Lookups
from infra.hosts.views.selection import Selection, UnknownName, select

_MOST = 3  # paths that are told of


def instead(name: str, namespace: str | None, lookups: Lookups) -> str:
    """What to say to who named it where a Rotation is wanted; "" where nothing that is wired is called so."""
    try:
        selection = select(name, namespace, lookups)
    except UnknownName:
        return ""
    called = f"{namespace}/{name}" if namespace and "/" not in name else name
    rotated_first = sorted(selection.paths, key=lambda path: lookups.wiring.rotation_of_path(path) is None)
    return "; ".join(_said(called, path, selection, lookups.wiring) for path in rotated_first[:_MOST])


def _said(called: str, path: PathRef, selection: Selection, wiring: Wiring) -> str:
    does = "publishes" if selection.consumers is None else "is fed by"
    about = f"{called} {does} {path}" if called != str(path) else f"{called} is wired"
    rotation = wiring.rotation_of_path(path)
    if rotation is None:
        return f"{about}, and no Rotation rotates that; `lockstep rotation list` lists what is rotated"
    return f"{about}, which Rotation {rotation.namespace}/{rotation.name} rotates: name that one"
