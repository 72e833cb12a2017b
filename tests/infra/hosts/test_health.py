"""Health and metrics beside what a process does."""

import pytest

from infra.hosts.health import HealthApp, listening
from infra.hosts.serving import ListenError
from tests.infra.hosts.served import Served
from tests.unix_http import Response

LISTEN = {"LISTEN_ADDRESS": "127.0.0.1:0"}


def ask(port: int, target: str, method: str = "GET") -> Response:
    at = Served(servers=None, thread=None, port=port)  # type: ignore[arg-type]  # it needs the port alone
    return at.ask(method, target)


def test_each_question_has_its_answer() -> None:
    said = {"failed": "", "unready": "the watch is starting"}
    app = HealthApp(lambda: said["failed"], lambda: said["unready"], lambda: "lockstep_x 1\n")
    with listening(app, LISTEN) as port:
        assert ask(port, "/health/liveness").status == 200
        assert (ask(port, "/health/readiness").status, ask(port, "/health/readiness").body) == (
            503, b"the watch is starting",
        )  # fmt: skip
        said.update(failed="a thread ended", unready="")
        assert ask(port, "/health/liveness").status == 503
        assert ask(port, "/health/readiness").status == 200
        assert ask(port, "/metrics").body == b"lockstep_x 1\n"
        assert ask(port, "/").status == 404
        assert ask(port, "/health/liveness", "POST").status == 405


def test_without_an_address_nobody_listens() -> None:
    with listening(HealthApp(str, str), {}) as port:
        assert port == 0


@pytest.mark.parametrize("more", [{}, {"LOCKSTEP_PLAIN_HTTP": "yes"}])
def test_beyond_the_loopback_it_must_be_meant(more: dict[str, str]) -> None:
    with pytest.raises(ListenError), listening(HealthApp(str, str), {"LISTEN_ADDRESS": "0.0.0.0:0", **more}):
        pass
    meant = {"LISTEN_ADDRESS": "0.0.0.0:0", "LOCKSTEP_PLAIN_HTTP": "beyond-loopback"}
    with listening(HealthApp(str, str), meant) as port:
        assert ask(port, "/health/liveness").status == 200
