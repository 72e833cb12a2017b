"""What a question is about, and why something of it is not as it was written: over a real folder of manifests."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from events.references import ManifestRef, SecretRef, Version
from functions._ports import Publication
from infra.hosts.views.choice import Choice, named, wired
from infra.hosts.views.pipeline import Lookups
from infra.hosts.views.selection import UnknownName
from infra.hosts.views.written import written_of
from infra.wiring.directory import WiringDirectory
from tests.fakes.world import secret
from tests.infra.hosts.views.scene import Scene
from tests.infra.wiring.samples import STORE, external, push

TARGET = "temporal/postgres-temporal"
PATH = "secret/platform-data/postgres/temporal"
WRONG_STORE = external(store="{name: vault-backed, kind: ClusterSecretStore}")
BROKEN_FIELD = external().replace("  data:", "  dataa:")
DUE = datetime(2026, 11, 23, 1, 14, 38, tzinfo=UTC)


class Folder:
    """ROOT/wiring with one producer and one consumer, and what is looked up of it."""

    def __init__(self, root: Path) -> None:
        self.at = root / "wiring"
        self.at.mkdir()
        self.write(store=STORE, push=push(), temporal=external())
        self.scene = Scene()
        self.wiring = WiringDirectory(self.at)
        self.due: datetime | None = None

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.at / f"{name}.yaml").write_text(text)

    @property
    def lookups(self) -> Lookups:
        self.wiring.reload()
        return replace(
            self.scene.lookups, wiring=self.wiring, written=partial(written_of, self.wiring), leaving=self._leaving
        )

    def named(self, name: str) -> Choice:
        return named((name,), None, self.lookups)

    def wired(self, namespace: str | None) -> Choice:
        return wired(namespace, self.lookups)

    def made(self) -> None:
        """The target, as materialize leaves it."""
        self.scene.world.secrets.put(secret(TARGET), {"password": b"one"}, owner="ExternalSecret temporal/temporal")

    def _leaving(self, ref: SecretRef, manifest: ManifestRef) -> datetime | None:
        assert (str(ref), str(manifest)) == (TARGET, "ExternalSecret temporal/temporal")
        return self.due


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def hindrance(choice: Choice) -> tuple[str, str]:
    (one,) = choice.hindrances
    return one.kind, str(one)


def test_nothing_hinders_what_is_as_it_was_written(folder: Folder) -> None:
    for choice in (folder.named(TARGET), folder.wired("temporal"), folder.wired(None)):
        assert ([str(state.path) for state in choice.states()], choice.hindrances) == ([PATH], ())


@pytest.mark.parametrize("ask", [lambda f: f.named(TARGET), lambda f: f.wired("temporal"), lambda f: f.wired(None)])
def test_a_manifest_that_leads_nowhere(folder: Folder, ask: Callable[[Folder], Choice]) -> None:
    folder.write(temporal=WRONG_STORE)
    kind, said = hindrance(ask(folder))
    assert kind == "refused"
    assert said.startswith("wiring/temporal.yaml:1: refers to ClusterSecretStore 'vault-backed', which is not there")
    assert folder.wired("platform-data").hindrances == ()


@pytest.mark.parametrize("broken", [BROKEN_FIELD, "a: [\n"])
def test_a_manifest_that_becomes_unreadable_is_used_as_it_was(folder: Folder, broken: str) -> None:
    assert folder.wired(None).hindrances == ()
    folder.write(temporal=broken)
    choices = (folder.named(TARGET), folder.named(PATH), folder.wired("temporal"), folder.wired(None))
    for choice in choices:
        assert [str(state.path) for state in choice.states()] == [PATH]
        kind, said = hindrance(choice)
        assert (kind, said.startswith("wiring/temporal.yaml:")) == ("former", True)
        assert said.endswith("; the former manifest is used until it is mended")
    folder.write(temporal=external())
    assert folder.wired(None).hindrances == ()


def test_of_a_former_store_whoever_names_it_is_told(folder: Folder) -> None:
    folder.wired(None)
    folder.write(store=STORE + "  nonsense: 1\n")
    assert hindrance(folder.named(TARGET))[0] == "former"


def test_only_what_is_behind_the_name_counts(folder: Folder) -> None:
    folder.write(other=external("other", "other", target="{name: other}"))
    folder.wired(None)
    folder.write(other="a: [\n", unknown="b: [\n")
    assert folder.named(TARGET).hindrances == ()
    assert [one.kind for one in folder.named("other/other").hindrances] == ["former"]


def test_a_manifest_that_was_never_readable(folder: Folder) -> None:
    folder.write(temporal=BROKEN_FIELD)
    for choice in (folder.named(TARGET.replace("postgres-", "")), folder.wired("temporal"), folder.wired(None)):
        kind, said = hindrance(choice)
        assert kind == "unread"
        assert "it cannot be read: spec.dataa is no field that is known here" in said
    assert folder.wired("platform-data").hindrances == ()
    folder.made()
    assert hindrance(folder.named(TARGET))[0] == "unread"


def test_a_file_that_may_hold_anything_concerns_everybody(folder: Folder) -> None:
    folder.write(temporal="a: [\n")
    for namespace in ("temporal", "platform-data", None):
        assert hindrance(folder.wired(namespace))[0] == "unread"
    folder.made()
    kind, said = hindrance(folder.named(TARGET))
    assert (kind, "it may hold ExternalSecret temporal/temporal" in said) == ("unread", True)
    with pytest.raises(UnknownName, match=r"wiring/temporal\.yaml:2 could not be read, and may name it"):
        folder.named("nobody/knows")


def test_a_manifest_that_is_gone_says_when_its_target_goes(folder: Folder) -> None:
    folder.made()
    (folder.at / "temporal.yaml").unlink()
    kind, said = hindrance(folder.named(TARGET))
    assert (kind, said.startswith("it is gone; put it back, or remove Secret")) == ("gone", True)
    folder.due = DUE
    assert hindrance(folder.named(TARGET))[1] == (
        f"it is gone, and Secret {TARGET} will be deleted at 2026-11-23 01:14:38 UTC; put it back to keep it"
    )
    folder.scene.world.secrets.put(secret(TARGET), {"password": b"one"})
    with pytest.raises(UnknownName, match="wire it with a PushSecret"):
        folder.named(TARGET)


def test_a_rival_is_told_who_holds_the_path(folder: Folder) -> None:
    folder.write(rival=push("rival", "elsewhere", source="{name: theirs}"))
    assert folder.named("elsewhere/rival").hindrances == (), "nobody holds it yet"
    held = Publication(
        path=folder.named(PATH).states()[0].path, version=Version(number=1, created=DUE), sources={},
        manifest=ManifestRef(kind="PushSecret", namespace="platform-data", name="temporal"), generation="g",
    )  # fmt: skip
    folder.scene.world.publications.record(held)
    for choice in (folder.named("elsewhere/rival"), folder.wired("elsewhere")):
        kind, said = hindrance(choice)
        assert (kind, f"{PATH} belongs to PushSecret platform-data/temporal" in said) == ("refused", True)
    assert folder.named(TARGET).hindrances == ()


@pytest.mark.parametrize(
    ("namespace", "said"),
    [
        ("tempral", "nothing is wired in namespace tempral; did you mean temporal?"),
        ("nope", "nothing is wired in namespace nope; something is in platform-data, temporal"),
    ],
)
def test_a_namespace_in_which_nothing_is_wired(folder: Folder, namespace: str, said: str) -> None:
    assert folder.wired(namespace) == Choice((), unknown=said)


def test_a_namespace_whose_manifest_could_not_be_read_is_known(folder: Folder) -> None:
    folder.write(late=external("late", "late").replace("  data:", "  dataa:"))
    assert (folder.wired("late").unknown, hindrance(folder.wired("late"))[0]) == ("", "unread")


def test_an_empty_wiring_is_nothing_wrong(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for file in folder.at.iterdir():
        file.unlink()
    assert folder.wired(None) == Choice(())
    assert "nor anywhere else" in folder.wired("temporal").unknown
