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


FULL = Sizes()
QUICK = Sizes(propagations=6, events=200, chains=100, cold_starts=1, wired=20, wired_samples=4)  # that it runs at all
