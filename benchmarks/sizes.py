"""How much each benchmark does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Numbers of samples; `wired` is the large installation that is held against a small one."""

    propagations: int = 250
    events: int = 6_000
    chains: int = 3_000
    cold_starts: int = 20
    wired: int = 10_000
    wired_samples: int = 60
    cluster_wired: int = 1_000
    burst: int = 500
    bursts: int = 3
    rotations: int = 3
    rotation_grace: float = 1.0  # seconds
    leaks: int = 100
    storm: int = 200


FULL = Sizes()
QUICK = Sizes(  # that it runs at all
    propagations=6, events=200, chains=100, cold_starts=1, wired=20, wired_samples=4, cluster_wired=8, burst=4,
    bursts=1, rotations=1, rotation_grace=0.0, leaks=2, storm=6,
)  # fmt: skip
