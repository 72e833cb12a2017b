"""Garbage is looked for less often once everything is started, and never among what the start made."""

import gc

from infra.hosts.local.collecting import settle


def test_what_the_start_made_is_looked_at_no_more() -> None:
    before = gc.get_threshold()
    try:
        settle()
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
