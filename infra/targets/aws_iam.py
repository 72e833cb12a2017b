"""Access keys of IAM users (docs/targets/aws-iam.md): AWS makes them, and a user has two at most.

A key cannot be labelled, and making one cannot be repeated safely. So a tag on the user says, before a key is made, for
which rotation and which keys there were: what is there beside those, and was never stored, is what a try lost. Another
tag says since when a key is inactive; it is deleted when that is long enough ago.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import Field

from functions._failures import Reject
from functions._manifests.rotation import Strategy
from functions._manifests.shape import Duration
from functions._systems import AdminRefused, Alphabet, Before, Credential, Finding, Usage, nothing
from functions._values import SecretValue
from infra.targets.aws import FAILURES, Aws, AwsParameters, Connect, absent, code_of, told_at
from infra.targets.opening import Opening, look

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

MOST = 2  # keys of a user
_USER = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_JOURNAL, _INACTIVE = "lockstep.dev/rotation", "lockstep.dev/inactive/"
_SESSIONS = "LockstepRevokeOlderSessions"
_UNKNOWN = "InvalidClientTokenId"  # a key that there is not, that is inactive, or that is too new
_REFUSALS = frozenset({_UNKNOWN, "SignatureDoesNotMatch", "AccessDeniedException", "UnrecognizedClientException"})


class IamParameters(AwsParameters):
    """How long things take at AWS, and what a revocation does."""

    propagation: Duration = Field(
        default=120.0, le=900, description="While a new key is no older, that it is unknown means: not yet."
    )
    settle: Duration = Field(
        default=10.0, le=300, description="A new key is not promoted before it is this old: not every region knows it."
    )
    delete_after: Duration = Field(
        default=86_400.0, le=90 * 86_400, description="How long a revoked key stays inactive before it is deleted."
    )
    end_sessions: bool = Field(
        default=False,
        description="Whether a revocation also ends the temporary sessions that the user's keys opened before, by a "
        f"policy `{_SESSIONS}` on the user; those of the new key have to be opened anew.",
    )


PARAMETERS = IamParameters


def open_system(opening: Opening, parameters: IamParameters) -> "IamKeys":
    return IamKeys(Aws(opening, parameters), parameters)


class IamKeys:
    """The users of one AWS account. The id of a credential is its key's. A `System`."""

    strategies: tuple[Strategy, ...] = ("minted",)
    secret_fields: tuple[str, ...] = ("access_key_id", "secret_access_key")
    verifiable = True
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40)

    def __init__(self, aws: Aws, parameters: IamParameters) -> None:
        self._aws = aws
        self._parameters = parameters

    def public_fields(self, account: str) -> Mapping[str, str]:
        return {}

    def accepts(self, credential: Credential) -> bool:
        """Ask STS who one is: anybody with a key may. One that is new is given time to become known."""
        try:
            sts = self._aws.connecting(credential.fields)("sts")
            age = _age(credential, told_at(sts.get_caller_identity()))
        except ClientError as error:
            code, age = code_of(error), _age(credential, told_at(error.response))
            if code == "AccessDenied":
                return True  # it knows who asks
            if code not in _REFUSALS:
                raise self._aws.failure(error) from None
            if code == _UNKNOWN and age is not None and age < self._parameters.propagation:
                raise self._aws.unavailable("the new key is not known at AWS yet", after=2.0) from None
            return False
        except FAILURES as error:
            raise self._aws.failure(error) from None
        if age is not None and (left := self._parameters.settle - age) > 0:
            raise self._aws.unavailable("the new key is known at AWS, and perhaps not everywhere yet", after=left)
        return True

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        raise Reject("AWS makes access keys by itself; use strategy minted")

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        return self._aws.as_admin(lambda connect: self._mint(self._user(connect, account), rotation, _id(keep)))

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        self._aws.as_admin(lambda connect: self._discard(self._user(connect, account), rotation, _id(keep)))

    def revoke(
        self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing
    ) -> datetime | None:
        key = _id(credential)
        if not key or key == _id(successor):
            raise Reject(f"the credential of {credential.account!r} names no access key that could be revoked")
        before()
        return self._aws.as_admin(lambda connect: self._revoke(self._user(connect, credential.account), key))

    def usage(self, credential: Credential) -> Usage:
        key = _id(credential)
        if not key:
            return Usage(known=False)
        user = credential.account
        return self._aws.as_admin(lambda connect: Usage(known=True, last=self._user(connect, user).last_used(key)))

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        def found(connect: Connect) -> tuple[Finding, ...]:
            return tuple(finding for name in accounts for finding in _examined(self._user(connect, name)))

        return look(lambda: self._aws.as_admin(found))

    # --- the work of an admin ----------------------------------------------------------------------------------------

    def _mint(self, user: "User", rotation: str, kept: str) -> Credential:
        keys = self._without_lost(user, rotation, kept)
        if len(keys) >= MOST:
            keys = _without_retired(user, keys, kept)
        if len(keys) >= MOST:
            raise AdminRefused(_full(user.name, keys, kept))
        if user.journal()[0] != rotation:
            user.tag(_JOURNAL, " ".join([rotation, *sorted(keys)]))
        made = user.iam.create_access_key(UserName=user.name)["AccessKey"]
        key, secret = made["AccessKeyId"], made["SecretAccessKey"]
        fields = {"access_key_id": SecretValue.of(key), "secret_access_key": SecretValue.of(secret)}
        return Credential(user.name, fields, key)

    def _discard(self, user: "User", rotation: str, kept: str) -> None:
        self._without_lost(user, rotation, kept)
        if user.journal()[0] == rotation:
            user.untag(_JOURNAL)

    def _without_lost(self, user: "User", rotation: str, kept: str) -> dict[str, bool]:
        """The user's keys, without those that this rotation made and lost."""
        keys = user.keys()
        made_for, before = user.journal()
        if made_for != rotation:
            return keys
        for key in [key for key in keys if key not in before and key != kept]:
            if user.last_used(key) is None:  # nobody can use what we lost: one in use is somebody else's
                user.delete(key)
                del keys[key]
        return keys

    def _revoke(self, user: "User", key: str) -> datetime | None:
        active = user.keys().get(key)
        if active is None:
            user.untag(_INACTIVE + key)
            return None
        if active:
            user.deactivate(key)
        # Not only for one that is active: a try before this may have died between the two. The note comes after both.
        if self._parameters.end_sessions and (active or user.noted_inactive(key) is None):
            user.end_sessions()
        since = user.inactive_since(key)
        due = since + timedelta(seconds=self._parameters.delete_after)
        if user.now < due:
            return due
        user.delete(key)
        user.untag(_INACTIVE + key)
        return None

    def _user(self, connect: Connect, account: str) -> "User":
        if not _USER.fullmatch(account):
            raise Reject(f"{account[:64]!r} is no name of an IAM user")
        return User(connect("iam"), account)


@dataclass
class User:
    """One IAM user and its keys. Its methods raise what the SDK raises, but Reject where there is no such user."""

    iam: "IAMClient"
    name: str
    now: datetime = datetime.min  # noqa: DTZ901  AWS's own time, known with the first answer

    def keys(self) -> dict[str, bool]:
        """Its keys by their ids: whether each is active."""
        try:
            answer = self.iam.list_access_keys(UserName=self.name)
        except ClientError as error:
            if code_of(error) == "NoSuchEntity":
                raise Reject(
                    f"there is no IAM user {self.name!r}; make it, or correct the Rotation's account"
                ) from None
            raise
        self.now = told_at(answer)
        return {key["AccessKeyId"]: key["Status"] == "Active" for key in answer["AccessKeyMetadata"]}

    def tags(self) -> dict[str, str]:
        answer = self.iam.list_user_tags(UserName=self.name, MaxItems=100)  # a user has 50 at most
        return {tag["Key"]: tag["Value"] for tag in answer["Tags"]}

    def journal(self) -> tuple[str, frozenset[str]]:
        """For which rotation keys were made last, and which there were before."""
        rotation, *before = self.tags().get(_JOURNAL, "").split() or [""]
        return rotation, frozenset(before)

    def last_used(self, key: str) -> datetime | None:
        try:
            return self.iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"].get("LastUsedDate")
        except ClientError as error:
            if code_of(error) == "NoSuchEntity":
                return None
            raise

    def deactivate(self, key: str) -> None:
        self.iam.update_access_key(UserName=self.name, AccessKeyId=key, Status="Inactive")

    def inactive_since(self, key: str) -> datetime:
        """Since when a key is known to be inactive: noted now, where it was not noted before."""
        return self.noted_inactive(key) or self._noted(key)

    def noted_inactive(self, key: str) -> datetime | None:
        """Since when a note says that a key is inactive; None without one that can be read."""
        try:
            return datetime.fromisoformat(self.tags().get(_INACTIVE + key, ""))
        except ValueError:
            return None

    def delete(self, key: str) -> None:
        """Never while it is active: whoever uses it after all gets it back by hand until it is gone."""
        with absent("NoSuchEntity"):
            self.deactivate(key)
            self.iam.delete_access_key(UserName=self.name, AccessKeyId=key)

    def end_sessions(self) -> None:
        """Deny everything to sessions that were opened before now. A key itself has no such time, and goes on."""
        denied = {
            "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": {"DateLessThan": {"aws:TokenIssueTime": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}},
        }  # fmt: skip
        document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
        self.iam.put_user_policy(UserName=self.name, PolicyName=_SESSIONS, PolicyDocument=document)

    def tag(self, key: str, value: str) -> None:
        self.iam.tag_user(UserName=self.name, Tags=[{"Key": key, "Value": value}])

    def untag(self, key: str) -> None:
        self.iam.untag_user(UserName=self.name, TagKeys=[key])

    def _noted(self, key: str) -> datetime:
        self.tag(_INACTIVE + key, self.now.isoformat())
        return self.now


def _without_retired(user: User, keys: dict[str, bool], kept: str) -> dict[str, bool]:
    """The keys without one that we revoked and keep for a while: its place is needed now."""
    tags = user.tags()
    for key, active in keys.items():
        if not active and key != kept and _INACTIVE + key in tags:
            user.delete(key)
            user.untag(_INACTIVE + key)
            return {other: state for other, state in keys.items() if other != key}
    return keys


def _examined(user: User) -> tuple[Finding, ...]:
    keys, tags = user.keys(), user.tags()
    ours = [key for key, active in keys.items() if not active and _INACTIVE + key in tags]
    if len(keys) - len(ours) < MOST:
        return ()
    return (Finding(True, _full(user.name, keys, "")),)


def _full(name: str, keys: Mapping[str, bool], kept: str) -> str:
    others = ", ".join(
        f"…{key[-4:]} ({'active' if active else 'inactive'})" for key, active in keys.items() if key != kept
    )
    return (
        f"IAM user {name!r} has {MOST} access keys already, and AWS allows no more; delete the one that nobody uses: "
        f"{others}"
    )


def _id(credential: Credential | None) -> str:
    if credential is None:
        return ""
    field = credential.fields.get("access_key_id")
    return credential.id or (field.reveal().decode("ascii", "replace") if field is not None else "")


def _age(credential: Credential, now: datetime) -> float | None:
    """Seconds since it was made; None where that is not known."""
    return (now - credential.made).total_seconds() if credential.made is not None else None
