"""From a path's content to the target's credentials and back, and how a new value is made."""

from collections.abc import Mapping

from functions._manifests.rotation import Generator
from functions._ports import Ports, StoredSecret
from functions._rotations import Holder, Record, Staged, Terms
from functions._systems import Alphabet, Credential, System
from functions._values import SecretData, SecretValue


def account_in(data: SecretData, system: System, terms: Terms) -> str | None:
    """Which of the terms' accounts this content logs in as; None where it is none of them, or cannot be told.

    One account that the content says nothing against is the one.
    """
    names = terms.accounts or ("",)
    for account in names:
        public = system.public_fields(account)
        said = {name: data.get(terms.property_of(name)) for name in public}
        known = {name: value for name, value in said.items() if value is not None}
        if not known and len(names) > 1:
            continue
        if all(value.reveal() == public[name].encode() for name, value in known.items()):
            return account
    return None


def credential_in(data: SecretData, holder: Holder, system: System, terms: Terms) -> Credential:
    """The credential that a path's content holds; fields that it lacks are missing, but for public ones."""
    public = {name: SecretValue.of(text) for name, text in system.public_fields(holder.account).items()}
    wanted = (*system.secret_fields, *public)
    found = {name: data[terms.property_of(name)] for name in wanted if terms.property_of(name) in data}
    return Credential(holder.account, {**public, **found}, holder.id)


def whole(credential: Credential, system: System) -> bool:
    """Whether somebody could log in with it: no secret field is missing."""
    return all(name in credential.fields for name in system.secret_fields)


def staged_credential(staged: Staged, system: System, terms: Terms) -> Credential:
    """The credential that is staged, with the time it was made at."""
    found = credential_in(staged.data, staged.credential, system, terms)
    made = staged.version.created if staged.version is not None else None
    return Credential(found.account, found.fields, found.id, made)


def content(base: SecretData, credential: Credential, terms: Terms) -> SecretData:
    """The path's whole content with another credential: everything else stays as it was."""
    return {**base, **{terms.property_of(name): value for name, value in credential.fields.items()}}


def generated(account: str, generator: Generator, system: System, ports: Ports) -> Credential:
    """A credential whose secret fields are new."""
    characters = _characters(generator, system.alphabet)
    length = generator.length or system.alphabet.length
    fields = {name: SecretValue.of(text) for name, text in system.public_fields(account).items()}
    for name in system.secret_fields:
        fields[name] = ports.randomness.value(characters, length)
    return Credential(account, fields)


def successor(old: Holder | None, terms: Terms) -> str:
    """The account that gets the new credential: of two that take turns, the one that nobody uses now."""
    names = terms.accounts or ("",)
    others = [name for name in names if old is None or name != old.account]
    return others[0] if terms.strategy == "alternating" and others else names[0]


def named_credential(record: Record, holder: Holder | None, system: System, ports: Ports) -> Credential | None:
    """A credential by its name, with its value where the authority still has it; None where there is no such name."""
    if holder is None:
        return None
    return credential_in(version_data(record, holder, ports) or {}, holder, system, record.terms)


def version_data(record: Record, holder: Holder | None, ports: Ports) -> SecretData | None:
    """The content that holds a credential; None where nobody has it any more."""
    if holder is None or holder.version is None:
        return None
    stored: StoredSecret | None = ports.authority.read(record.path, holder.version)
    return stored.data if stored is not None else None


def same_content(one: Mapping[str, SecretValue] | None, other: Mapping[str, SecretValue]) -> bool:
    return one is not None and dict(one) == dict(other)


def _characters(generator: Generator, default: Alphabet) -> str:
    """Each character once, so that none is drawn more often."""
    wanted = generator.alphabet or default.characters
    return "".join(one for one in dict.fromkeys(wanted) if one not in generator.exclude)
