"""What a ROOT without manifests is told of at the start: a typo in --root makes an installation, and an empty one."""

from collections.abc import Iterator
from pathlib import Path

from infra.wiring.files import SUFFIXES

_OURS = frozenset({"lockstep.yaml", "access.yaml"})
_NAMED = 3  # of the files in the wrong place


def unwired(root: Path) -> Iterator[str]:
    """Remarks with what to do; none where everything lies where it is read."""
    wiring = root / "wiring"
    if not any(path.name.endswith(SUFFIXES) for path in wiring.rglob("*")):
        yield f"no manifests in {wiring} yet; put them there, or stop this and give another --root"
    if stray := sorted(path.name for path in root.iterdir() if path.name.endswith(SUFFIXES) and path.name not in _OURS):
        more = f" and {len(stray) - _NAMED} more" if len(stray) > _NAMED else ""
        named = ", ".join(stray[:_NAMED])
        yield f"manifests lie in {root} itself ({named}{more}), where nothing reads them; move them to {wiring}"
