"""How often garbage is looked for, in a process that is up: a look holds up every step."""

import gc

_THRESHOLDS = (20_000, 20, 20)  # objects since the last look, then looks at the younger ones; Python's own: 700, 10, 10


def settle() -> None:
    """For when everything is started. What that made lives as long as the process and is never looked at again; the
    rest, most of which goes by itself, is looked at less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
