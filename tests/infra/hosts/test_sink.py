"""Several events to K_SINK over real HTTP: all in order, or a retry of the whole."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions._failures import Retry
from infra.hosts.configuration import ConfigurationError
from infra.hosts.sink import HttpSink, NoSink, sink_from
from tests.infra.hosts.certificates import Certificates, issued
from tests.infra.hosts.ingress import Ingress, listening
from tests.infra.hosts.steps import changed
from tests.openbao import OpenBao

EVENTS = tuple(changed(str(number)) for number in range(3))


@pytest.fixture
def ingress() -> Iterator[Ingress]:
    with listening() as server:
        yield server


def test_all_in_order_over_one_connection(ingress: Ingress) -> None:
    HttpSink(ingress.address).send(EVENTS)
    assert [event.id for event in ingress.received] == [event.id for event in EVENTS]
    assert ingress.received[0].data == EVENTS[0].data
    assert len(ingress.connections) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 429, 500, 503])
def test_one_that_is_not_taken_ends_it(ingress: Ingress, status: int) -> None:
    ingress.answers = [(202, {}), (status, {"location": "http://192.0.2.1/"})]
    with pytest.raises(Retry, match=f"answered {status} to dev.lockstep.secret.changed") as failure:
        HttpSink(ingress.address).send(EVENTS)
    assert failure.value.after is None
    assert len(ingress.received) == 1


@pytest.mark.parametrize(("wait", "after"), [("7", 7.0), ("soon", None), ("-1", None)])
def test_the_sink_says_when_to_come_again(ingress: Ingress, wait: str, after: float | None) -> None:
    ingress.answers = [(503, {"retry-after": wait})]
    with pytest.raises(Retry) as failure:
        HttpSink(ingress.address).send(EVENTS)
    assert failure.value.after == after


def test_nobody_there(ingress: Ingress) -> None:
    ingress.shutdown()
    ingress.socket.close()
    with pytest.raises(Retry, match="not reachable"):
        HttpSink(ingress.address, timeout=2.0).send(EVENTS)


def test_credentials_in_the_address_are_not_shown() -> None:
    with pytest.raises(Retry) as failure:
        HttpSink("http://user:canary-4711@127.0.0.1:9/x?token=canary-4711", timeout=2.0).send(EVENTS)
    assert "http://127.0.0.1:9/x" in failure.value.reason
    assert "canary" not in failure.value.reason


def test_the_sender_shows_the_token_that_is_mounted_now(ingress: Ingress, tmp_path: Path) -> None:
    token = tmp_path / "token"
    sink = sink_from({"K_SINK": ingress.address}, token)
    sink.send(EVENTS[:1])  # `authentication-oidc` is not enabled: nothing is mounted
    for value in ("eyJhbGciOi.canary-4711.x_y", "eyJhbGciOi.second"):
        token.write_text(f"{value}\n")
        sink.send(EVENTS[:1])
    assert ingress.senders == [None, "Bearer eyJhbGciOi.canary-4711.x_y", "Bearer eyJhbGciOi.second"]


@pytest.mark.parametrize("content", ["", "two words canary-4711", "canary-4711\r\nx: y", "canary-4711-é"])
def test_what_is_no_token_is_not_sent(ingress: Ingress, tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_bytes(content.encode())
    with pytest.raises(Retry, match="SinkBinding") as failure:
        sink_from({"K_SINK": ingress.address}, token).send(EVENTS)
    assert "canary" not in failure.value.reason
    assert ingress.received == []


OVERRIDES = '{"extensions": {"lane": "blue", "correlationid": "theirs"}}'


def test_the_overrides_are_set_on_every_event_over_what_it_has(ingress: Ingress) -> None:
    events = tuple(event.with_extensions(correlationid="ours", causationid="kept") for event in EVENTS)
    sink_from({"K_SINK": ingress.address, "K_CE_OVERRIDES": OVERRIDES}).send(events)
    assert len(ingress.received) == 3
    for event in ingress.received:
        assert (event.extensions["lane"], event.extensions["correlationid"]) == ("blue", "theirs")
        assert event.extensions["causationid"] == "kept"
    assert "lane" not in events[0].extensions


@pytest.mark.parametrize("overrides", ["", "  ", "{}", '{"extensions": null}', '{"extensions": {}, "later": 1}'])
def test_no_overrides(ingress: Ingress, overrides: str) -> None:
    sink_from({"K_SINK": ingress.address, "K_CE_OVERRIDES": overrides, "K_CA_CERTS": ""}).send(EVENTS[:1])
    assert ingress.received[0].extensions == EVENTS[0].extensions


@pytest.mark.parametrize(
    "overrides",
    [
        "{", "[]", "7", '{"extensions": []}', '{"extensions": {"Lane": "x"}}', '{"extensions": {"lane": 1}}',
        '{"extensions": {"lane": ""}}', '{"extensions": {"type": "x"}}', '{"extensions": {"data": "x"}}',
        '{"extensions": {"a-b": "x"}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_overrides_that_cannot_be_used_are_refused_at_the_start(overrides: str) -> None:
    with pytest.raises(ConfigurationError, match=r"K_CE_OVERRIDES.*correct the SinkBinding"):
        sink_from({"K_SINK": "http://127.0.0.1:9", "K_CE_OVERRIDES": overrides})


@pytest.mark.parametrize("bundle", ["canary", "-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n"])
def test_a_bundle_that_cannot_be_used_is_refused_at_the_start(bundle: str) -> None:
    with pytest.raises(ConfigurationError, match=r"K_CA_CERTS.*correct the SinkBinding") as refused:
        sink_from({"K_SINK": "https://127.0.0.1:9", "K_CA_CERTS": bundle})
    assert "canary" not in str(refused.value)


@pytest.fixture
def encrypted(openbao: OpenBao, tmp_path: Path) -> Iterator[tuple[Ingress, Certificates]]:
    """An ingress with TLS, and who vouches for it."""
    certificates = issued(openbao, tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.key)
    with listening(context) as server:
        yield server, certificates


@pytest.mark.e2e
def test_whom_the_bundle_names_is_trusted_and_nobody_else(encrypted: tuple[Ingress, Certificates]) -> None:
    ingress, certificates = encrypted
    bundle = "# of the cluster\n" + certificates.ca.read_text()
    sink_from({"K_SINK": ingress.address, "K_CA_CERTS": bundle}).send(EVENTS)
    assert [event.id for event in ingress.received] == [event.id for event in EVENTS]
    with pytest.raises(Retry, match=r"not reachable \(SSLError\)"):
        sink_from({"K_SINK": ingress.address}).send(EVENTS)
    elsewhere = ingress.address.replace("127.0.0.1", "localhost")
    with pytest.raises(Retry, match=r"not reachable \(SSLError\)"):
        sink_from({"K_SINK": elsewhere, "K_CA_CERTS": bundle}).send(EVENTS)


def test_without_a_sink() -> None:
    assert isinstance(sink_from({"K_CE_OVERRIDES": OVERRIDES}), NoSink)
    with pytest.raises(Retry, match="3 events to send and no sink; set K_SINK"):
        NoSink().send(EVENTS)
