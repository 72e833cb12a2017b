"""What AWS lets a key do, by the policy of its user: moto decides, once it is told what a request is about.

Moto checks signatures, and policies by their actions. It knows of no user or secret as a resource, which is said here
as AWS's service authorization reference has it; nothing else of its decision is ours.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.responses import IamResponse
from moto.secretsmanager.responses import SecretsManagerResponse

from functions._systems import Credential
from tests.aws import ACCOUNT, Aws

PAGES = Path(__file__).parents[1] / "docs" / "targets"
_BLOCK = re.compile(r"^```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_numbers = itertools.count(1)
Policy = dict[str, Any]


def documented(page: str, region: str = "us-east-1") -> Policy:
    """The policy that a target's page has people grant to its admin, in the region of the tests."""
    (block,) = _BLOCK.findall((PAGES / f"{page}.md").read_text())
    policy: Policy = json.loads(block.replace("eu-central-1", region))
    return policy


def actions(policy: Policy) -> list[str]:
    (statement,) = policy["Statement"]
    named: list[str] = statement["Action"]
    return named


def without(policy: Policy, *left_out: str) -> Policy:
    """The same policy with these actions left out."""
    (statement,) = policy["Statement"]
    return {**policy, "Statement": [{**statement, "Action": [one for one in actions(policy) if one not in left_out]}]}


def also(policy: Policy, action: str) -> Policy:
    (statement,) = policy["Statement"]
    return {**policy, "Statement": [{**statement, "Action": [*actions(policy), action]}]}


def granted(aws: Aws, policy: Policy) -> Credential:
    """A key of a user that may do what this policy says and nothing else."""
    user = aws.user(f"lockstep-{next(_numbers)}")
    aws.iam.put_user_policy(user, "granted", json.dumps(policy))
    return aws.key(user)


def fields_of(key: Credential) -> Mapping[str, str]:
    return {name: value.reveal().decode() for name, value in key.fields.items()}


@pytest.fixture
def aws_enforced(aws: Aws) -> Iterator[Aws]:
    """The shared server, where nobody may do anything but by a policy, as long as the test lasts."""
    with enforced():
        yield aws


@contextmanager
def enforced() -> Iterator[None]:
    """Until the block is left, permissions count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IamResponse, "_determine_resource", _of_user)
        patch.setattr(SecretsManagerResponse, "_determine_resource", _of_secret, raising=False)
        patch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
        patch.setattr(ActionAuthenticatorMixin, "request_count", 0)
        yield


def _of_user(response: IamResponse) -> str:
    """A user's; of a request that names only a key, its owner's."""
    name = _given(response.data, "UserName")
    key = _given(response.data, "AccessKeyId")
    if not name and key:
        owners = (
            one.name for one in response.backend.users.values() for each in one.access_keys if each.access_key_id == key
        )
        name = next(owners, "")
    return f"arn:aws:iam::{ACCOUNT}:user/{name}" if name else "*"


def _of_secret(response: SecretsManagerResponse) -> str:
    """As AWS makes it: the name, and six letters that nobody can foretell."""
    name = str(json.loads(response.body or "{}").get("SecretId", ""))
    return f"arn:aws:secretsmanager:{response.region}:{ACCOUNT}:secret:{name}-a1B2c3" if name else "*"


def _given(data: Mapping[str, Any], name: str) -> str:
    found = data.get(name, "")
    return str(found[0] if isinstance(found, list) else found)
