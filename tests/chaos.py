"""The whole suite under a broker that delivers twice, late and out of order: LOCKSTEP_TEST_CHAOS=<seed> pytest.

Every installation that a test starts has a chaotic broker then (infra/broker/chaos.py), and every World repeats and
shuffles its deliveries. What must hold under any at-least-once broker holds under this one; a test that counts
deliveries, or is about the order of one of them, says so by `@pytest.mark.orderly("why")` and is skipped.
"""

import os
import sys
from collections.abc import Sequence

VARIABLE = "LOCKSTEP_TEST_CHAOS"
REPEATED = 0.3  # of the deliveries
_HOST = "tests.e2e.host"  # `lockstep up` as tests change it


def seed() -> int | None:
    """The seed of this run; None where brokers are left as they are."""
    text = os.environ.get(VARIABLE, "")
    if text and not text.isdecimal():
        raise ValueError(f"{VARIABLE} is a seed, such as 1, not {text!r}")
    return int(text) if text else None


def disturbed(program: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    """The command that runs `program` (`lockstep up`, or the tests' host) with a chaotic broker, if one is asked."""
    chosen = seed()
    if chosen is None or "--chaos" in options:
        return tuple(program)
    host = program if _HOST in program else (sys.executable, "-m", _HOST)
    return (*host, "--chaos", str(chosen))
