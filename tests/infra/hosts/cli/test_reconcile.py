import json

import pytest

from infra.hosts.cli.failures import Exit
from tests.infra.hosts.cli.commands import PATH, SOURCE, answered, lockstep, settled
from tests.infra.hosts.cli.documents import check
from tests.instance import Running, external_secret, push_secret

pytestmark = pytest.mark.e2e
FULL = f"secret/{PATH}"


def test_orders_are_given_in_the_operators_name_and_waited_for(up: Running) -> None:
    settled(up)
    found = answered("reconcile", "temporal/pg", "--wait", root=up.root)
    check("reconcile", found)
    assert {order["type"] for order in found["orders"]} == {"publish.requested", "materialize.requested"}
    lines = answered("events", "--since", str(found["orders"][0]["sequence"] - 1), root=up.root)["events"]
    assert lines[0]["principal"].startswith("operator:")
    text = lockstep("reconcile", "--all", "--wait", root=up.root)
    assert (text.exit_code, text.stdout) == (0, "2 orders given, and all of it is in step\n")


def test_what_may_not_act_is_left_out_and_told(up: Running) -> None:
    assert lockstep("suspend", FULL, "--reason", "not now", root=up.root).exit_code == 0
    result = lockstep("reconcile", FULL, root=up.root)
    assert (result.exit_code, "left out" in result.stderr) == (Exit.FINDINGS, True)
    assert "1 orders given" in result.stdout, "its consumer is not suspended"
    assert lockstep("resume", FULL, root=up.root).exit_code == 0


def test_an_order_that_is_given_up_ends_the_waiting(up: Running) -> None:
    up.at.wire(
        "keys", push_secret("keys", f"platform-data/{SOURCE}", "platform-data/postgres/keys", ("username",)),
        external_secret("keys/pg", "platform-data/postgres/keys"),
    )  # fmt: skip
    up.wait_for(
        lambda: up.at.events("dev.lockstep.wiring.changed", "keys/pg"), "the new wiring, known to the authority"
    )
    result = lockstep("reconcile", "keys/pg", "--wait", root=up.root)
    assert result.exit_code == Exit.FINDINGS
    assert "publish gave up" in result.stderr
    assert "lockstep dead-letters replay" in result.stderr
    up.at.unwire("keys")
    up.wait_for(lambda: not up.secret("secret/platform-data/postgres/keys"), "the wiring as before")


def test_waiting_in_vain_is_124_and_says_what_for(up: Running) -> None:
    result = lockstep("wait", "temporal/pg", "--for", "version=4711", "--timeout", "0.2s", root=up.root)
    assert result.exit_code == Exit.TIMEOUT
    assert "lockstep explain" in result.stderr
    held = lockstep("wait", "temporal/pg", "--for", "version=1", root=up.root)
    assert (held.exit_code, held.stdout) == (0, "in step, at version=1\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("reconcile",), ("wait",), ("wait", "--all", "temporal/pg"), ("wait", "--all", "--for", "happiness"),
        ("wait", "--all", "--for", "version=0"), ("wait", "--all", "--timeout", "soon"),
    ],
)  # fmt: skip
def test_wrong_usage(up: Running, arguments: tuple[str, ...]) -> None:
    assert lockstep(*arguments, root=up.root).exit_code == Exit.USAGE


def test_unknown_names(up: Running) -> None:
    for command in ("reconcile", "wait"):
        assert lockstep(command, "nobody/knows", root=up.root).exit_code == Exit.NOT_FOUND
        elsewhere = lockstep(command, "-n", "tempral", root=up.root)
        assert (elsewhere.exit_code, "did you mean temporal?" in elsewhere.stderr) == (Exit.NOT_FOUND, True)


def test_a_manifest_that_leads_nowhere_is_no_success(up: Running) -> None:
    store_ref = {"name": "vault-backed", "kind": "ClusterSecretStore"}
    up.at.wire("lost", external_secret("lost/pg", PATH, secretStoreRef=store_ref))
    up.wait_for(lambda: lockstep("explain", "lost/pg", root=up.root).exit_code == Exit.FINDINGS, "the new wiring")
    said = "wiring/lost.yaml:1: refers to ClusterSecretStore 'vault-backed', which is not there"
    for what in (("lost/pg",), ("lost/pg", "--for", "version=99"), ("-n", "lost"), ("--all",)):
        result = lockstep("wait", *what, "--timeout", "0.2s", root=up.root)
        assert (result.exit_code, said in result.stderr) == (Exit.TIMEOUT, True), result.output
        assert "`lockstep explain ExternalSecret/lost/pg`" in result.stderr
    ordered = lockstep("reconcile", "lost/pg", "--wait", root=up.root)
    assert (ordered.exit_code, ordered.stdout) == (Exit.FINDINGS, "0 orders given\n")
    assert f"left out: ExternalSecret lost/pg: {said}" in ordered.stderr
    check("reconcile", json.loads(lockstep("reconcile", "lost/pg", "-o", "json", root=up.root).stdout))
    shown = lockstep("status", "lost/pg", root=up.root)
    assert (shown.exit_code, "vault-backed" in shown.stdout) == (Exit.FINDINGS, True)
    assert "no path leads to it or from it" in shown.stdout
    assert lockstep("diff", "lost/pg", root=up.root).exit_code == Exit.FINDINGS
    assert lockstep("wait", "temporal/pg", root=up.root).exit_code == 0, "another's manifest is not its concern"
    up.at.wire("lost", external_secret("lost/pg", PATH))
    assert lockstep("wait", "lost/pg", root=up.root).exit_code == 0, "what is waited for may be mended"
    up.at.unwire("lost")
    up.wait_for(lambda: lockstep("status", root=up.root).exit_code == 0, "the wiring as before")
