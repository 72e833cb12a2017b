from pathlib import Path

from infra.hosts.views.remarks import unread_files, wiring_remarks
from infra.wiring.directory import WiringDirectory
from tests.infra.wiring.samples import STORE, external, push


def test_what_is_wrong_when_it_starts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text(external())
    (tmp_path / "c.yaml").write_text(STORE + "---\n" + push())
    (tmp_path / "d.yaml").write_text(
        external("d", target="{name: d}", store="{name: vault-backed, kind: ClusterSecretStore}")
    )
    wiring = WiringDirectory(tmp_path)
    wiring.reload()
    unread, refused = wiring_remarks(wiring)
    assert unread.startswith(f"{tmp_path.name}/a.yaml:2: is not YAML")
    assert unread.endswith("what it says is not used until it is mended")
    assert "ExternalSecret temporal/d: refers to ClusterSecretStore 'vault-backed'" in refused


def test_a_file_is_told_of_once_and_what_is_used_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(STORE + "---\n" + push() + "---\n" + external())
    wiring = WiringDirectory(tmp_path)
    wiring.reload()
    assert unread_files(wiring.snapshot()) == {}
    (tmp_path / "b.yaml").write_text(STORE + "---\n" + push(more="  x: 1") + "---\n" + external(more="  x: 1"))
    wiring.reload()
    ((file, said),) = unread_files(wiring.snapshot()).items()
    assert file == f"{tmp_path.name}/b.yaml"
    assert said.endswith("is no field that is known here; remove it or correct its name; the former manifest is used "
                         "until it is mended")  # fmt: skip


def test_a_wiring_that_is_wrong_throughout_is_told_of_briefly(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.yaml").write_text("a: [\n")
    wiring = WiringDirectory(tmp_path)
    wiring.reload()
    remarks = list(wiring_remarks(wiring))
    assert (len(remarks), remarks[-1].startswith("and 10 more")) == (21, True)
