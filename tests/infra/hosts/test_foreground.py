"""Signals: they interrupt a start, end what serves, and do not disturb what stops."""

import os
import signal
import threading

import pytest

from infra.hosts.foreground import Interrupted, handled_signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_is_interrupted(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with handled_signals(), pytest.raises(Interrupted):
        _receive(number)
    assert signal.getsignal(number) is before


def test_an_interruption_is_no_failure() -> None:
    assert not issubclass(Interrupted, Exception)


def test_only_the_first_interrupts() -> None:
    cleaned = []
    with handled_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait(20)
        except Interrupted:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            cleaned.append(True)
    assert cleaned == [True]


def test_what_serves_is_told_and_what_stops_is_left_alone() -> None:
    told = []
    with handled_signals() as signals:
        signals.then(lambda: told.append(True))
        os.kill(os.getpid(), signal.SIGTERM)
        assert told == [True]
        signals.ignore()
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert told == [True]


def _receive(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    threading.Event().wait(20)
