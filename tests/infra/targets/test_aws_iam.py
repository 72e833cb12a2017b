"""IAM access keys: the two-key limit, what a crash leaves, keys that are too new, and nothing of the machine's own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from functions._failures import Reject, Unavailable
from functions._manifests.rotation_target import RotationTarget
from functions._systems import AdminRefused, Credential
from functions._values import SecretData, SecretValue
from infra.targets.aws_iam import PARAMETERS
from infra.targets.declared import DeclaredSystems
from tests.aws import ADMIN, Aws
from tests.contracts.minting import IamBench, admin_fields, opened
from tests.contracts.systems import manifest

pytestmark = pytest.mark.e2e
FIRST, SECOND = "a" * 32, "b" * 32


@pytest.fixture
def bench(aws: Aws) -> IamBench:
    return IamBench(aws)


def new_credential(bench: IamBench, age: float, **fields: str) -> Credential:
    """A key of a user of its own, made so many seconds ago as far as anybody knows."""
    key = bench.aws.key(bench.account())
    values = {**key.fields, **{name: SecretValue.of(text) for name, text in fields.items()}}
    return Credential(key.account, values, key.id, datetime.now(UTC) - timedelta(seconds=age))


# --- two keys at most ------------------------------------------------------------------------------------------------


def test_a_third_partys_key_is_never_touched(bench: IamBench) -> None:
    user = bench.account()
    old, other = bench.aws.key(user), bench.aws.key(user)
    with pytest.raises(AdminRefused, match="2 access keys already") as refused:
        bench.system.mint(user, FIRST, keep=old)
    assert other.id[-4:] in refused.value.reason
    assert bench.aws.keys(user) == {old.id: "Active", other.id: "Active"}
    (finding,) = bench.system.examine((user,))
    assert finding.blocks
    assert bench.aws.works(other)


def test_an_inactive_key_of_somebody_else_is_not_touched_either(bench: IamBench) -> None:
    user = bench.account()
    old, other = bench.aws.key(user), bench.aws.key(user)
    bench.aws.iam.update_access_key(user, other.id, "Inactive")
    with pytest.raises(AdminRefused, match="inactive"):
        bench.system.mint(user, FIRST, keep=old)
    assert bench.aws.keys(user)[other.id] == "Inactive"


def test_a_key_that_somebody_made_before_the_rotation_survives_its_retries(bench: IamBench) -> None:
    user = bench.account()
    other = bench.aws.key(user)
    lost = bench.system.mint(user, FIRST)
    new = bench.system.mint(user, FIRST)
    assert set(bench.aws.keys(user)) == {other.id, new.id}
    assert lost.id not in bench.aws.keys(user)
    assert bench.aws.works(other)


def test_a_key_in_use_was_not_lost_by_us(bench: IamBench) -> None:
    user = bench.account()
    used = bench.system.mint(user, FIRST)
    assert bench.aws.works(used)
    bench.system.mint(user, FIRST)
    assert used.id in bench.aws.keys(user)


def test_another_rotation_trusts_nothing_that_the_former_noted(bench: IamBench) -> None:
    user = bench.account()
    old = bench.aws.key(user)
    lost = bench.system.mint(user, FIRST, keep=old)
    with pytest.raises(AdminRefused):
        bench.system.mint(user, SECOND, keep=old)
    assert lost.id in bench.aws.keys(user)
    bench.system.discard(user, FIRST, keep=old)  # whoever gives a rotation up does this
    assert bench.system.mint(user, SECOND, keep=old).id in bench.aws.keys(user)


def test_the_note_goes_with_the_rotation(bench: IamBench) -> None:
    user = bench.account()
    new = bench.system.mint(user, FIRST)
    assert bench.aws.iam.list_user_tags(user)
    bench.system.discard(user, FIRST, keep=new)
    assert bench.aws.iam.list_user_tags(user) == []
    later = bench.aws.key(user)
    bench.system.discard(user, FIRST, keep=new)  # repeated by somebody who is late
    assert set(bench.aws.keys(user)) == {new.id, later.id}


@pytest.mark.parametrize("action", ["TagUser", "CreateAccessKey", "DeleteAccessKey", "ListAccessKeys", "ListUserTags"])
def test_a_lost_answer_leaves_one_key_that_somebody_has(bench: IamBench, action: str) -> None:
    user = bench.account()
    old = bench.aws.key(user)
    lost: list[str] = []

    def first_time(called: str) -> bool:
        if called == action and called not in lost:
            lost.append(called)
        return called == action and lost.count(called) == 1 and not done

    done: list[bool] = []
    bench.aws.lost = first_time
    if action == "DeleteAccessKey":
        bench.aws.lost = lambda called: False
        bench.system.mint(user, FIRST, keep=old)
        bench.aws.lost = first_time
    with pytest.raises(Unavailable):
        bench.system.mint(user, FIRST, keep=old)
    done.append(True)
    new = bench.system.mint(user, FIRST, keep=old)
    assert set(bench.aws.keys(user)) == {old.id, new.id}
    assert bench.aws.works(old)
    assert bench.aws.works(new)


# --- deactivate, wait, delete ----------------------------------------------------------------------------------------


def test_a_revoked_key_is_inactive_until_its_time_is_over(bench: IamBench) -> None:
    user = bench.account()
    old = bench.aws.key(user)
    new = bench.system.mint(user, FIRST, keep=old)
    before = datetime.now(UTC)
    due = bench.system.revoke(old, successor=new)
    assert due is not None
    assert timedelta(hours=23) < due - before < timedelta(hours=25)
    assert bench.aws.keys(user)[old.id] == "Inactive"
    assert bench.system.revoke(Credential(user, {}, old.id)) == due
    patient = IamBench(bench.aws, deleteAfter="0s")
    assert patient.system.revoke(Credential(user, {}, old.id)) is None
    assert set(bench.aws.keys(user)) == {new.id}
    assert patient.system.revoke(Credential(user, {}, old.id)) is None
    assert [tag["Key"] for tag in bench.aws.iam.list_user_tags(user)] == ["lockstep.dev/rotation"]


def test_one_that_somebody_activated_again_is_deactivated_again(bench: IamBench) -> None:
    user = bench.account()
    old = bench.aws.key(user)
    bench.system.revoke(old)
    bench.aws.iam.update_access_key(user, old.id, "Active")
    bench.system.revoke(old)
    assert bench.aws.keys(user)[old.id] == "Inactive"


def test_its_place_is_given_to_a_new_key_when_it_is_needed(bench: IamBench) -> None:
    user = bench.account()
    old = bench.aws.key(user)
    new = bench.system.mint(user, FIRST, keep=old)
    bench.system.revoke(old, successor=new)
    newest = bench.system.mint(user, SECOND, keep=new)
    assert set(bench.aws.keys(user)) == {new.id, newest.id}


def test_the_successor_is_never_revoked_in_place_of_the_old(bench: IamBench) -> None:
    key = bench.aws.key(bench.account())
    with pytest.raises(Reject, match="names no access key"):
        bench.system.revoke(key, successor=key)
    with pytest.raises(Reject, match="names no access key"):
        bench.system.revoke(Credential(key.account, {}))
    assert bench.aws.works(key)


def test_sessions_end_where_that_is_asked(bench: IamBench) -> None:
    user = bench.account()
    key = bench.aws.key(user)
    bench.system.revoke(key)
    assert not bench.aws.iam.list_user_policies(user)
    IamBench(bench.aws, endSessions=True).system.revoke(bench.aws.key(user))
    document = bench.aws.iam.get_user_policy(user, "LockstepRevokeOlderSessions")["policy_document"]
    assert "aws:TokenIssueTime" in document


def test_sessions_end_though_the_key_was_deactivated_by_a_try_that_died(bench: IamBench) -> None:
    user = bench.account()
    key = bench.aws.key(user)
    bench.aws.iam.update_access_key(user, key.id, "Inactive")
    system = IamBench(bench.aws, endSessions=True).system
    system.revoke(key)
    assert list(bench.aws.iam.list_user_policies(user)) == ["LockstepRevokeOlderSessions"]
    bench.aws.iam.delete_user_policy(user, "LockstepRevokeOlderSessions")
    system.revoke(key)  # it is noted by now: sessions of the new key are left alone
    assert not bench.aws.iam.list_user_policies(user)


# --- a key that is new -----------------------------------------------------------------------------------------------


def test_a_new_key_that_is_not_known_yet_is_waited_for_and_not_for_ever(bench: IamBench) -> None:
    young, old = new_credential(bench, 5), new_credential(bench, 3600)
    bench.aws.unknown.update({young.id, old.id})
    with pytest.raises(Unavailable, match="not known at AWS yet") as waiting:
        bench.system.accepts(young)
    assert waiting.value.after == 2.0
    assert waiting.value.dependency == "orders"
    assert not bench.system.accepts(old)
    assert not bench.system.accepts(replace(young, made=None))
    bench.aws.unknown.clear()
    assert bench.system.accepts(young)


def test_a_key_that_is_known_here_may_be_unknown_elsewhere(aws: Aws) -> None:
    bench = IamBench(aws, settle="30s")
    with pytest.raises(Unavailable, match="not everywhere") as waiting:
        bench.system.accepts(new_credential(bench, 5))
    assert waiting.value.after == pytest.approx(25, abs=3), "asked again when it is old enough, and not before"
    assert bench.system.accepts(new_credential(bench, 60))


def test_accepts_uses_the_key_itself_and_no_admin(bench: IamBench) -> None:
    key = bench.aws.key(bench.account())
    bench.aws.calls.clear()
    assert bench.system.accepts(key)
    assert bench.aws.calls == [("GetCallerIdentity", key.id)]


def test_whoever_may_not_ask_who_he_is_is_somebody(bench: IamBench) -> None:
    bench.aws.denied.add("GetCallerIdentity")
    assert bench.system.accepts(new_credential(bench, 3600))


# --- usage, outages, refusals ----------------------------------------------------------------------------------------


def test_usage_is_when_aws_saw_it_last(bench: IamBench) -> None:
    user = bench.account()
    key = bench.aws.key(user)
    assert (bench.system.usage(key).known, bench.system.usage(key).last) == (True, None)
    assert bench.aws.works(key)
    last = bench.system.usage(key).last
    assert last is not None
    assert abs(datetime.now(UTC) - last) < timedelta(minutes=5)
    assert not bench.system.usage(Credential(user, {})).known


Call = Callable[[IamBench, Credential], object]
CALLS: tuple[Call, ...] = (
    lambda bench, key: bench.system.mint(key.account, FIRST, keep=key),
    lambda bench, key: bench.system.discard(key.account, FIRST, keep=key),
    lambda bench, key: bench.system.revoke(key),
    lambda bench, key: bench.system.usage(key),
)


@pytest.mark.parametrize("call", CALLS)
def test_an_outage_and_a_refusal_of_the_admin_are_told_apart_and_quote_nothing(bench: IamBench, call: Call) -> None:
    key = bench.aws.key(bench.account())
    bench.aws.down = True
    with pytest.raises(Unavailable) as down:
        call(bench, key)
    bench.aws.down = False
    bench.aws.denied.update({"ListAccessKeys", "GetAccessKeyLastUsed"})
    with pytest.raises(AdminRefused, match=r"docs/targets/aws-iam\.md") as denied:
        call(bench, key)
    for failure in (down, denied):
        assert "canary" not in failure.value.reason
        assert failure.value.__cause__ is None
        assert failure.value.__suppress_context__


def test_nobody_there_is_an_outage(aws: Aws) -> None:
    bench = IamBench(aws, endpoint="http://127.0.0.1:9", timeout="1s")
    key = bench.aws.key(bench.account())
    accepts: Call = lambda bench, key: bench.system.accepts(key)  # noqa: E731  as the others are
    for call in (*CALLS, accepts):
        with pytest.raises(Unavailable, match="cannot be reached"):
            call(bench, key)


def test_an_admin_key_that_was_rotated_meanwhile_is_read_again(bench: IamBench) -> None:
    user = bench.account()
    dead = admin_fields(access_key_id="AKIADEADDEADDEADDEAD", secret_access_key="x" * 40)
    reads = [dead, bench.admin]

    def read(target: RotationTarget) -> SecretData:
        return reads.pop(0)(target)

    system = DeclaredSystems(lambda name: bench.target, read).open("orders")
    assert system.mint(user, FIRST).id in bench.aws.keys(user)


# --- nothing of the machine's own -----------------------------------------------------------------------------------


def test_the_environment_and_files_of_the_machine_change_nothing(
    bench: IamBench, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name, text in {
        "AWS_ACCESS_KEY_ID": "AKIAOTHEROTHEROTHER0", "AWS_SECRET_ACCESS_KEY": "y" * 40, "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ENDPOINT_URL_IAM": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9",
        "AWS_SESSION_TOKEN": "token", "AWS_CONFIG_FILE": f"{tmp_path}/none", "AWS_CA_BUNDLE": "/nonexistent",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, text)
    user = bench.account()
    new = bench.system.mint(user, FIRST)
    assert bench.system.accepts(new)
    admin = bench.aws.iam.list_access_keys(ADMIN)[0].access_key_id
    assert {key for _, key in bench.aws.calls} == {admin, new.id}


def test_the_machines_role_only_where_the_manifest_says_so(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = IamBench(aws)
    key = bench.aws.iam.list_access_keys(ADMIN)[0]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
    ambient = manifest("aws-iam", endpoint=aws.endpoint, ambient=True)
    user = bench.account()
    assert opened(ambient).mint(user, FIRST).id in aws.keys(user)
    with pytest.raises(Reject, match="does not act as admin"):
        opened(manifest("aws-iam", endpoint=aws.endpoint)).mint(user, FIRST)


@pytest.mark.parametrize(
    "endpoint", ["http://iam.example.com", "ftp://127.0.0.1", "https://user:pw@host", "https://h?x=1", "nothing"]
)
def test_an_endpoint_is_encrypted_or_on_loopback(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        PARAMETERS.model_validate({"endpoint": endpoint})
