"""From paths at the authority to the data of one consumer Secret (seed 001, 5a.3.3; ESO's ExternalSecret)."""

from dataclasses import dataclass

from events.references import PathRef, Version
from functions._failures import Reject
from functions._manifests.external_secret import DataFrom, ExternalData, ExternalSecret
from functions._manifests.rare import SecretTemplate
from functions._ports import Ports, StoredSecret
from functions._shaping.assemble import assemble, rendered
from functions._shaping.conversion import convert_key, convert_keys
from functions._shaping.decoding import decode
from functions._shaping.keys import check_data
from functions._shaping.literals import from_literals
from functions._shaping.properties import extract, pick, whole
from functions._shaping.rewrite import rewrite
from functions._values import SecretData, SecretValue
from functions._vouched import VouchedReads, awaited


@dataclass(frozen=True, slots=True)
class Composed:
    """A consumer's data and metadata, and the version of each path that they came from."""

    data: dict[str, SecretValue]
    labels: dict[str, str]
    annotations: dict[str, str]
    stamp: dict[str, Version]
    pinned: frozenset[str]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The consumer cannot be composed now, and an event will come when it can."""

    reason: str


class _Composer:
    """Composes one consumer from the reads of one event."""

    def __init__(self, consumer: ExternalSecret, reads: VouchedReads, ports: Ports) -> None:
        self._consumer = consumer
        self._reads = reads
        self._ports = ports
        self._mount_of = ports.wiring.mount
        self.stamp: dict[str, Version] = {}
        self.pinned: set[str] = set()
        self.missing: list[str] = []

    def data(self) -> dict[str, SecretValue]:
        """ESO's order: dataFrom in turn, then data, the later winning."""
        result: dict[str, SecretValue] = {}
        for part in self._consumer.spec.data_from:
            result.update(self._part(part))
        for item in self._consumer.spec.data:
            if (value := self._item(item)) is not None:
                result[item.secret_key] = value
        return result

    def _item(self, item: ExternalData) -> SecretValue | None:
        remote = item.remote_ref
        stored = self._read(self._consumer.data_path(item, self._mount_of), remote.version)
        if stored is None or stored.data is None:
            return None
        subject = str(stored.path)
        value = pick(stored.data, remote.property, subject=subject) if remote.property else whole(stored.data)
        return decode(value, remote.decoding_strategy, subject=f"{self._consumer.ref} {item.secret_key}")

    def _part(self, part: DataFrom) -> dict[str, SecretValue]:
        found = self._extracted(part) if part.extract is not None else self._found(part)
        return rewrite(found, part.rewrite, subject=str(self._consumer.ref))

    def _extracted(self, part: DataFrom) -> dict[str, SecretValue]:
        path = self._consumer.extract_path(part, self._mount_of)
        if part.extract is None or path is None:
            return {}
        stored = self._read(path, part.extract.version)
        if stored is None or stored.data is None:
            return {}
        subject = f"{self._consumer.ref} {path}"
        values = extract(stored.data, part.extract.property, subject=subject)
        converted = convert_keys(values, part.extract.conversion_strategy, subject=subject)
        strategy = part.extract.decoding_strategy
        return {key: decode(value, strategy, subject=f"{subject} {key}") for key, value in converted.items()}

    def _found(self, part: DataFrom) -> dict[str, SecretValue]:
        search = self._consumer.search(part, self._mount_of)
        if part.find is None or search is None:
            return {}
        result: dict[str, SecretValue] = {}
        for path in self._reads.below(search.mount, search.prefix):
            if not search.matches(path) or self._deleted(path):
                continue
            stored = self._read(path, "")
            if stored is not None and stored.data is not None:
                result[convert_key(path.path, part.find.conversion_strategy)] = decode(
                    whole(stored.data), part.find.decoding_strategy, subject=str(path)
                )
        return result

    def _deleted(self, path: PathRef) -> bool:
        """Whether a listed path holds nothing any more, and nobody is about to write it: it is found no longer."""
        if not self._ports.access.may_read(self._consumer.namespace, path):
            return False  # not read before access was checked
        if awaited(path, self._ports):
            return False
        stored = self._reads.newest(path)
        return stored is None or stored.data is None

    def _read(self, path: PathRef, pin: str) -> StoredSecret | None:
        if not self._ports.access.may_read(self._consumer.namespace, path):
            raise Reject(
                f"{self._consumer.ref}: namespace {self._consumer.namespace} may not read {path}; "
                "the access policy would have to name it (access.yaml, read)"
            )
        stored = self._reads.pinned(path, pin) if pin else self._reads.newest(path)
        if stored is None or stored.data is None:
            self.missing.append(str(path))
            return stored
        self.stamp[str(path)] = stored.version
        if pin:
            self.pinned.add(str(path))
        return stored


def compose(consumer: ExternalSecret, reads: VouchedReads, ports: Ports) -> Composed | Waiting:
    """The data that the consumer's Secret should hold.

    Raises Reject: no such store, no access, a missing property, a template or key that cannot be.
    """
    composer = _Composer(consumer, reads, ports)
    fetched = composer.data()
    if composer.missing:
        return Waiting(f"nothing confirmed at {', '.join(sorted(set(composer.missing)))}")
    if not fetched:
        return Waiting("nothing is found at the authority")  # ESO makes no Secret of nothing either
    template = consumer.spec.target.template
    subject = str(consumer.ref)
    data, labels, annotations = fetched, {}, {}
    if template is not None:
        data = _templated(fetched, template, subject)
        labels = _texts(
            {**from_literals(fetched, template.literals("Labels"), subject=subject),
             **rendered(fetched, template.metadata.labels, subject=subject, place="metadata.labels")},
            f"{subject}: metadata.labels",
        )  # fmt: skip
        annotations = _texts(
            {**from_literals(fetched, template.literals("Annotations"), subject=subject),
             **rendered(fetched, template.metadata.annotations, subject=subject, place="metadata.annotations")},
            f"{subject}: metadata.annotations",
        )  # fmt: skip
    check_data(data, subject=str(consumer.target))
    return Composed(
        data=data, labels=labels, annotations=annotations, stamp=composer.stamp, pinned=frozenset(composer.pinned)
    )


def _templated(fetched: SecretData, template: SecretTemplate, subject: str) -> dict[str, SecretValue]:
    """ESO's order: what was fetched (with Merge, or where nothing is templated), templateFrom, then template.data."""
    made = from_literals(fetched, template.literals("Data"), subject=subject)
    if not made:
        return assemble(fetched, template.data, template.merge_policy, subject=subject)
    kept = dict(fetched) if template.merge_policy == "Merge" else {}
    return {**kept, **made, **rendered(fetched, template.data, subject=subject, place="template.data")}


def _texts(values: SecretData, where: str) -> dict[str, str]:
    """Labels or annotations, which are text; a value in them leaves the store, which is the manifest's choice."""
    try:
        return {name: value.reveal().decode() for name, value in values.items()}
    except UnicodeDecodeError:
        raise Reject(f"{where}: a template makes something that is not text") from None
