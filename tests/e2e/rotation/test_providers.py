"""What providers make or keep, rotated by a whole running Lockstep with no right that it does not need.

No value of it is anywhere else.
"""

from collections.abc import Mapping

import pytest

from functions._values import SecretValue
from tests.e2e.conftest import QUICK
from tests.e2e.rotation.providers import KINDS, Provider, provider, restrict
from tests.e2e.rotation.shop import completed, phase, rotate
from tests.e2e.rotation.test_canary import COMMANDS, content, leaks
from tests.e2e.test_canary import lockstep
from tests.instance import Installation, Running
from tests.openbao import OpenBao

pytestmark = pytest.mark.e2e


@pytest.fixture(params=KINDS)
def at_provider(request: pytest.FixtureRequest, external: Installation, openbao: OpenBao) -> Provider:
    made = provider(request.param, external, request)
    made.lay_out()
    restrict(made, openbao)
    return made


def test_the_identity_of_the_instance_opens_nothing_else(at_provider: Provider, openbao: OpenBao) -> None:
    """Neither what others have at the engine nor what administers it; nor a credential that nobody records."""
    mount, account = at_provider.mount, at_provider.site.target["account"]
    own = {
        "openbao-static": {f"{mount}/static-creds/{account}", f"{mount}/rotate-role/{account}"},
        "openbao-root": {f"{mount}/rotate-root/{account}"},
    }  # fmt: skip
    paths = [
        ("GET", f"{mount}/config/orders"), ("POST", f"{mount}/config/orders"), ("LIST", f"{mount}/roles"),
        ("POST", f"{mount}/roles/{account}"), ("GET", f"{mount}/creds/{account}"), ("GET", f"{mount}/creds/other"),
        ("GET", f"{mount}/static-creds/{account}"), ("GET", f"{mount}/static-creds/other"),
        ("POST", f"{mount}/rotate-role/{account}"), ("POST", f"{mount}/rotate-role/other"),
        ("POST", f"{mount}/rotate-root/{account}"), ("POST", f"{mount}/rotate-root/other"),
        ("LIST", f"sys/leases/lookup/{mount}/creds/{account}"), ("POST", f"sys/leases/revoke-prefix/{mount}"),
        ("POST", f"sys/leases/revoke/{mount}/creds/other/x"), ("POST", "auth/token/create"),
        ("POST", "auth/token/create-orphan"), ("LIST", "auth/token/accessors"), ("POST", "sys/policies/acl/mine"),
        ("GET", "secret/data/platform-data/provider/of-somebody-else"),
    ]  # fmt: skip
    client = openbao.with_token(SecretValue.of(at_provider.at.environment["VAULT_TOKEN"]))

    def lets_in(method: str, path: str) -> bool:
        return client.call(method, path, body={}, kind="test", any_ok=True).status != 403

    assert {path for method, path in paths if lets_in(method, path)} == own.get(at_provider.kind, set())


def established(made: Provider, up: Running) -> dict[str, bytes]:
    """What the consumer has to begin with: the credential that was there, or the first that the provider makes."""
    made.ready(up, lambda: phase(up) == "never")
    if not made.site.begins:
        assert completed(up, rotate(up))["phase"] == "completed"
    up.wait_for(made.held, "the first credential at the consumer")
    return made.held()


def turned(made: Provider, up: Running) -> dict[str, bytes]:
    """Order one rotation; what the consumer has when it is over."""
    before = made.held()
    ended = completed(up, rotate(up))
    assert ended["phase"] == "completed"
    assert ended["record"]["orphans"] == []
    up.wait_for(lambda: made.held() not in ({}, before), "the new credential at the consumer")
    return made.held()


def test_from_the_order_to_the_refused_login(at_provider: Provider) -> None:
    made = at_provider
    with made.at.running() as up:
        begun = established(made, up)
        assert made.site.serves([begun])
        assert made.site.lets_in(begun)
        version = up.version(made.full_path)
        now = turned(made, up)
        assert made.site.serves([now])
        assert made.site.refuses(begun)
        assert up.version(made.full_path) == version + 1
        assert up.at.dead_letters() == []
        named = up.control.ask("rotation", name="shop/orders-db")["record"]["new"]
        made.site.check_clean(now, named["id"])


def test_a_key_that_is_too_young_is_waited_for_just_as_long(
    external: Installation, openbao: OpenBao, request: pytest.FixtureRequest
) -> None:
    external.configure(**{**QUICK, "delivery": {"backoffSeconds": 0.05}})  # no cap below what a target may ask
    made = provider("aws-iam", external, request, settle="8s")  # longer than our own quick tries
    made.lay_out()
    restrict(made, openbao)
    with external.running() as up:
        established(made, up)
        turned(made, up)
        assert external.events("dev.lockstep.rotation.failed") == 0, "nothing is said to be unavailable"


def test_no_value_is_anywhere_but_in_the_secret(at_provider: Provider) -> None:
    made = at_provider
    with made.at.running() as up:
        secrets = [*made.admin.values(), *values(established(made, up))]
        for _ in range(2):
            secrets += values(turned(made, up))
        said = {" ".join(command): lockstep(up, *command) for command in COMMANDS}
        said["metrics"] = up.request("GET", "/metrics").body
        assert b"lockstep_rotations{" in said["metrics"]
        assert {name: found for name, text in said.items() if (found := leaks(secrets, text))} == {}
    files = [path for path in made.at.root.rglob("*") if path.is_file() and "namespaces" not in path.parts]
    assert {"broker.db", "local.db"} <= {path.name for path in files}
    wrong = {str(path): found for path in (*files, up.output_file) if (found := leaks(secrets, content(path)))}
    assert wrong == {}


def values(data: Mapping[str, bytes]) -> list[str]:
    """The secret ones; what says that nobody but OpenBao has it is none."""
    held = b"known to OpenBao alone"
    return [
        data[name].decode() for name in ("password", "secret_access_key") if not data.get(name, held).startswith(held)
    ]
