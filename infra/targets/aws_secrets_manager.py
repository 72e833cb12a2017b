"""Secrets of AWS Secrets Manager (docs/targets/aws-secrets-manager.md): a value of ours, kept there for its readers.

Whoever reads AWSCURRENT gets the new value as soon as it is applied, and AWSPREVIOUS is the old one until it is
revoked. A version is put by a token made of the rotation's id, so that putting it again puts no second one; labels are
moved naming the version that loses one, so that a move by somebody else is never undone unseen.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError
from pydantic import Field, model_validator

from functions._failures import Reject, Unavailable
from functions._manifests.rotation import Strategy
from functions._systems import Alphabet, Before, Credential, Finding, Usage, nothing
from functions._values import SecretData
from infra.targets.aws import Aws, AwsParameters, Connect, code_of
from infra.targets.opening import Opening, look, text_field

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"
_LABELS = (CURRENT, PENDING, PREVIOUS)
_TRIES = 3  # values that one rotation may come to: the first, and one after a refusal; and one to spare


class SecretsManagerParameters(AwsParameters):
    """What a secret there looks like."""

    format: Literal["json", "text"] = Field(
        default="json",
        description="`json`: an object, of which the credential's fields are replaced and the rest stays; `text`: the "
        "value alone.",
    )
    fields: tuple[str, ...] = Field(
        default=("password",), min_length=1, max_length=32, description="Fields that are made anew."
    )
    public_fields: dict[str, str] = Field(
        default_factory=dict, description="Further fields of the object, which are no secret: `username: orders`."
    )

    @model_validator(mode="after")
    def _one_of_text(self) -> "SecretsManagerParameters":
        if self.format == "text" and (len(self.fields) != 1 or self.public_fields):
            raise ValueError("format text holds one field and nothing else")
        return self


PARAMETERS = SecretsManagerParameters
UNSEEN: tuple[Strategy, ...] = ("dual",)


def open_system(opening: Opening, parameters: SecretsManagerParameters) -> "SecretsManager":
    return SecretsManager(Aws(opening, parameters), parameters)


@dataclass(frozen=True)
class Version:
    """One version that has a label, and what it holds (None: nothing that has fields)."""

    id: str
    content: Mapping[str, str] | None


Labelled = Mapping[str, Version]


class SecretsManager:
    """The secrets of one AWS account; an account is a secret's name or ARN. A `System`.

    Nobody can be logged in as: reading it takes rights of one's own. So only with the machine's role, which every step
    has, is `accepts` asked; else `apply` and `revoke` themselves look at what they did.
    """

    strategies: tuple[Strategy, ...] = ("dual",)
    alphabet = Alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40)

    def __init__(self, aws: Aws, parameters: SecretsManagerParameters) -> None:
        self._aws = aws
        self._parameters = parameters
        self.secret_fields: tuple[str, ...] = parameters.fields
        self.verifiable = parameters.ambient

    def public_fields(self, account: str) -> Mapping[str, str]:
        return self._parameters.public_fields

    def accepts(self, credential: Credential) -> bool:
        """Whether somebody who asks for a labelled version gets this one."""
        labelled = self._aws.as_admin(lambda connect: self._labelled(_client(connect), credential.account))
        return any(self._holds(version, credential) for version in labelled.values())

    def apply(
        self, credential: Credential, rotation: str, *, keep: Credential | None = None, before: Before = nothing
    ) -> None:
        before()
        self._aws.as_admin(lambda connect: self._apply(_client(connect), credential, rotation))

    def mint(self, account: str, rotation: str, *, keep: Credential | None = None) -> Credential:
        raise Reject("AWS Secrets Manager keeps values and makes none here; use strategy dual")

    def discard(self, account: str, rotation: str, *, keep: Credential | None = None) -> None:
        """Nothing is minted here."""

    def revoke(self, credential: Credential, *, successor: Credential | None = None, before: Before = nothing) -> None:
        before()
        self._aws.as_admin(lambda connect: self._revoke(_client(connect), credential, successor))

    def usage(self, credential: Credential) -> Usage:
        return Usage(known=False)  # AWS tells the day on which a secret was read, and not which version

    def examine(self, accounts: tuple[str, ...]) -> tuple[Finding, ...]:
        def found(connect: Connect) -> tuple[Finding, ...]:
            client = _client(connect)
            return tuple(finding for account in accounts for finding in self._examined(client, account))

        return look(lambda: self._aws.as_admin(found))

    # --- the work of an admin ----------------------------------------------------------------------------------------

    def _apply(self, client: "SecretsManagerClient", credential: Credential, rotation: str) -> None:
        labelled = self._labelled(client, credential.account)
        new = self._of(credential, labelled)
        if new is None:
            self._put(client, credential, rotation, labelled)
            labelled = self._labelled(client, credential.account)
            new = self._of(credential, labelled)
        if new is None:
            raise self._moved(credential.account)
        if (current := labelled.get(CURRENT)) is not None and current.id != new.id:
            self._move(client, credential.account, CURRENT, new.id, current.id)
        if (pending := labelled.get(PENDING)) is not None and pending.id == new.id:
            self._move(client, credential.account, PENDING, None, new.id)

    def _put(
        self, client: "SecretsManagerClient", credential: Credential, rotation: str, labelled: Labelled
    ) -> None:  # fmt: skip
        text = self._text(credential, labelled.get(CURRENT))
        for attempt in range(_TRIES):
            token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"lockstep.dev/{rotation}/{attempt}"))
            try:
                client.put_secret_value(
                    SecretId=credential.account, ClientRequestToken=token, SecretString=text, VersionStages=[PENDING]
                )
            except ClientError as error:
                if code_of(error) != "ResourceExistsException":
                    raise
                if self._relabelled(client, credential, token):
                    return
                continue  # another value of this rotation, which was refused elsewhere: the next token
            return

    def _relabelled(self, client: "SecretsManagerClient", credential: Credential, token: str) -> bool:
        """Whether the version of this token holds the credential's fields; then it is the pending one again."""
        held = self._version(client, credential.account, VersionId=token)
        if held is None or not self._holds(held, credential):
            return False
        pending = self._version(client, credential.account, VersionStage=PENDING)
        if pending is None or pending.id != held.id:
            self._move(client, credential.account, PENDING, held.id, pending.id if pending else None)
        return True

    def _revoke(
        self, client: "SecretsManagerClient", credential: Credential, successor: Credential | None
    ) -> None:  # fmt: skip
        account, labelled = credential.account, self._labelled(client, credential.account)
        if not all(name in credential.fields for name in self.secret_fields):
            self._revoke_all_but(client, account, successor, labelled)
            return
        if (current := labelled.get(CURRENT)) is not None and self._holds(current, credential):
            other = self._instead(labelled, current, successor)
            self._move(client, account, CURRENT, other.id, current.id)
            labelled = self._labelled(client, account)
        for label in (PENDING, PREVIOUS):
            version = labelled.get(label)
            if version is not None and self._holds(version, credential):
                self._move(client, account, label, None, version.id)
        if self._of(credential, self._labelled(client, account)) is not None:
            raise self._moved(account)

    def _revoke_all_but(
        self, client: "SecretsManagerClient", account: str, successor: Credential | None, labelled: Labelled
    ) -> None:  # fmt: skip
        """The value to be revoked is lost: whatever is labelled beside the current version and its successor."""
        for label in (PENDING, PREVIOUS):
            version = labelled.get(label)
            if version is not None and (successor is None or not self._holds(version, successor)):
                self._move(client, account, label, None, version.id)

    def _instead(self, labelled: Labelled, current: Version, successor: Credential | None) -> Version:
        """What is to be current in place of the version that is revoked."""
        if successor is not None and (found := self._of(successor, labelled)) is not None and found.id != current.id:
            return found
        previous = labelled.get(PREVIOUS)
        if previous is not None and previous.id != current.id and successor is None:
            return previous
        raise Reject(
            "AWS Secrets Manager always has a current version, and there is no other one than this: it cannot be "
            "revoked before there is another; use leak.response rotate"
        )

    def _examined(self, client: "SecretsManagerClient", account: str) -> tuple[Finding, ...]:
        try:
            found = client.describe_secret(SecretId=account)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return (Finding(True, self._missing(account).reason),)
            raise
        said = (
            (found.get("DeletedDate") is not None, f"secret {account!r} is marked for deletion; restore it"),
            (bool(found.get("RotationEnabled")), f"AWS rotates secret {account!r} itself; turn that off"),
            (bool(found.get("OwningService")), f"secret {account!r} belongs to {found.get('OwningService')}"),
        )
        self._labelled(client, account)
        return tuple(Finding(True, text) for wrong, text in said if wrong)

    # --- versions and labels -----------------------------------------------------------------------------------------

    def _labelled(self, client: "SecretsManagerClient", account: str) -> Labelled:
        """The versions that have one of AWS's labels. Raises Reject where there is no such secret."""
        try:
            stages = client.describe_secret(SecretId=account).get("VersionIdsToStages") or {}
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                raise self._missing(account) from None
            raise
        where = {label: version for version, labels in stages.items() for label in labels if label in _LABELS}
        versions = {id_: self._version(client, account, VersionId=id_) for id_ in set(where.values())}
        return {label: found for label, id_ in where.items() if (found := versions[id_]) is not None}

    def _version(self, client: "SecretsManagerClient", account: str, **which: str) -> Version | None:
        try:
            answer: Mapping[str, Any] = client.get_secret_value(SecretId=account, **which)
        except ClientError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise
        return Version(answer["VersionId"], self._parsed(answer.get("SecretString")))

    def _move(
        self, client: "SecretsManagerClient", account: str, label: str, to: str | None, of: str | None
    ) -> None:  # fmt: skip
        ends = {"MoveToVersionId": to, "RemoveFromVersionId": of}
        named = {key: id_ for key, id_ in ends.items() if id_ is not None}
        try:
            client.update_secret_version_stage(SecretId=account, VersionStage=label, **named)
        except ClientError as error:
            if code_of(error) == "InvalidParameterException":
                raise self._moved(account) from None
            raise

    def _of(self, credential: Credential, labelled: Labelled) -> Version | None:
        return next((version for version in labelled.values() if self._holds(version, credential)), None)

    def _holds(self, version: Version, credential: Credential) -> bool:
        wanted = self._wanted(credential.fields)
        return version.content is not None and all(version.content.get(name) == text for name, text in wanted.items())

    def _wanted(self, fields: SecretData) -> dict[str, str]:
        return {name: text_field(fields, name, "the credential") for name in self.secret_fields}

    def _parsed(self, text: str | None) -> Mapping[str, str] | None:
        if text is None:
            return None
        if self._parameters.format == "text":
            return {self.secret_fields[0]: text}
        try:
            content = json.loads(text)
        except ValueError:
            return None
        return content if isinstance(content, dict) else None

    def _text(self, credential: Credential, current: Version | None) -> str:
        """What the new version holds: what the current one does, with the credential's fields in place of its own."""
        wanted = {**self.public_fields(credential.account), **self._wanted(credential.fields)}
        if self._parameters.format == "text":
            return wanted[self.secret_fields[0]]
        if current is not None and current.content is None:
            raise Reject(f"what secret {credential.account!r} holds is no JSON object; say parameters.format: text")
        return json.dumps({**(current.content or {} if current else {}), **wanted})

    def _moved(self, account: str) -> Unavailable:
        return self._aws.unavailable(f"the labels of secret {account!r} were moved by somebody else meanwhile")

    def _missing(self, account: str) -> Reject:
        return Reject(
            f"there is no secret {account!r} in AWS Secrets Manager; make it, or correct the Rotation's account"
        )


def _client(connect: Connect) -> "SecretsManagerClient":
    client: SecretsManagerClient = connect("secretsmanager")
    return client
