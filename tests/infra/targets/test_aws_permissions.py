"""What the pages of AWS's targets have people grant is what a target needs: all of it, and no more."""

from collections.abc import Callable

import pytest
from moto.secretsmanager.models import secretsmanager_backends

from functions._systems import AdminRefused, Credential, System
from functions._values import SecretValue
from tests.aws import ACCOUNT, Aws
from tests.aws_permissions import Policy, actions, also, documented, fields_of, granted, without
from tests.contracts.minting import admin_fields, opened
from tests.contracts.systems import manifest

pytestmark = pytest.mark.e2e
FIRST, SECOND = "a" * 32, "b" * 32
IAM, SECRETS = documented("aws-iam"), documented("aws-secrets-manager")
_names = iter(range(1, 10_000))


def system(aws: Aws, kind: str, policy: Policy, **parameters: object) -> System:
    """As it is opened with a key of this policy."""
    settle = {"settle": "0s", "deleteAfter": "0s"} if kind == "aws-iam" else {}
    declared = manifest(kind, endpoint=aws.endpoint, timeout="20s", **settle, **parameters)
    return opened(declared, admin_fields(**fields_of(granted(aws, policy))))


def whole_life(keys: System, user: str) -> None:
    """Everything that a rotation asks of the target, with a try that was lost, and the next rotation after it."""
    assert keys.examine((user,)) == ()
    old = keys.mint(user, FIRST)
    keys.mint(user, FIRST)  # deletes what nobody stored
    keys.discard(user, FIRST)
    old = keys.mint(user, FIRST)
    keys.discard(user, FIRST, keep=old)
    new = keys.mint(user, SECOND, keep=old)
    assert keys.accepts(new)
    assert keys.usage(new).known
    assert keys.revoke(old, successor=new) is None


def value_of(secret: str, password: str) -> Credential:
    return Credential(secret, {"password": SecretValue.of(password)})


def secret(name: str = "") -> str:
    name = name or f"orders/{next(_names)}"
    backend = secretsmanager_backends[ACCOUNT]["us-east-1"]
    backend.create_secret(name, '{"password": "one"}', None, None, [], None, None, [], False)
    return name


def kept(store: System, name: str) -> None:
    """Everything that a rotation asks of a secret."""
    assert store.examine((name,)) == ()
    old, new = value_of(name, "one"), value_of(name, "two")
    store.apply(new, FIRST, keep=old)
    store.revoke(old, successor=new)


def test_what_the_page_of_iam_grants_is_enough(aws_enforced: Aws) -> None:
    whole_life(system(aws_enforced, "aws-iam", IAM), aws_enforced.user())


@pytest.mark.parametrize("action", actions(IAM))
def test_iam_needs_every_action_of_its_page(aws_enforced: Aws, action: str) -> None:
    with pytest.raises((AdminRefused, AssertionError), match=r"AccessDenied|aws-iam"):
        whole_life(system(aws_enforced, "aws-iam", without(IAM, action)), aws_enforced.user())


def test_ending_sessions_takes_one_more(aws_enforced: Aws) -> None:
    user = aws_enforced.user()
    key = aws_enforced.key(user)
    with pytest.raises(AdminRefused, match="PutUserPolicy"):
        system(aws_enforced, "aws-iam", IAM, endSessions=True).revoke(key)
    more = system(aws_enforced, "aws-iam", also(IAM, "iam:PutUserPolicy"), endSessions=True)
    assert more.revoke(key) is None


def test_what_the_page_of_secrets_manager_grants_is_enough(aws_enforced: Aws) -> None:
    kept(system(aws_enforced, "aws-secrets-manager", SECRETS), secret())


@pytest.mark.parametrize("action", actions(SECRETS))
def test_secrets_manager_needs_every_action_of_its_page(aws_enforced: Aws, action: str) -> None:
    store = system(aws_enforced, "aws-secrets-manager", without(SECRETS, action))
    with pytest.raises((AdminRefused, AssertionError), match=r"AccessDenied|aws-secrets-manager"):
        kept(store, secret())


Call = Callable[[Aws], object]


@pytest.mark.parametrize(
    "call",
    [
        lambda aws: system(aws, "aws-iam", IAM).mint(aws.user("billing-1"), FIRST),
        lambda aws: system(aws, "aws-iam", IAM).revoke(aws.key(aws.user("billing-2"))),
        lambda aws: system(aws, "aws-secrets-manager", SECRETS).apply(value_of(secret("billing/1"), "two"), FIRST),
    ],
)
def test_others_accounts_are_out_of_reach(aws_enforced: Aws, call: Call) -> None:
    with pytest.raises(AdminRefused, match="AccessDenied"):
        call(aws_enforced)


def test_who_has_the_admins_key_can_do_nothing_else(aws_enforced: Aws) -> None:
    import boto3

    key = fields_of(granted(aws_enforced, IAM))
    client = boto3.client(
        "iam", endpoint_url=aws_enforced.endpoint, region_name="us-east-1", aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )  # fmt: skip
    user = aws_enforced.user()
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.create_user(UserName="orders-of-a-thief"),
        lambda: client.put_user_policy(UserName=user, PolicyName="all", PolicyDocument="{}"),
        lambda: client.attach_user_policy(UserName=user, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
        lambda: client.delete_user(UserName=user),
        client.list_users,
    )
    for call in calls:
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            call()
