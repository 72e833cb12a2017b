"""A search reads regular files and histories, follows nothing, runs nothing, and says what it left out."""

import os
import subprocess
from pathlib import Path

import pytest

from infra.hosts.cli import candidates
from infra.hosts.cli.failures import CommandError
from infra.hosts.cli.searching import in_files, in_history

SECRET = b"Zq81-hunter-Kx9"


def places(found: object) -> list[str]:
    return sorted({str(place) for place, value in found if value == SECRET})  # type: ignore[attr-defined]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True)


def commit(folder: Path, name: str, content: bytes, message: str = "change") -> None:
    (folder / name).write_bytes(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-m", message)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "settings").write_bytes(b"a\npassword=" + SECRET + b"\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_bytes(SECRET)
    (tmp_path / "elsewhere").symlink_to("/etc")
    (tmp_path / "link").symlink_to(tmp_path / "below" / "settings")
    os.mkfifo(tmp_path / "pipe")
    skipped: list[str] = []
    assert places(in_files(tmp_path, skipped.append)) == [f"{tmp_path}/below/settings:2"]
    pipe, link = skipped  # the one that leads to what is searched is not worth a word
    assert pipe == f"{tmp_path}/pipe: not a regular file"
    assert link.startswith(f"1 symbolic link to elsewhere ({tmp_path}/elsewhere): symbolic links are not followed")
    assert places(in_files(tmp_path / "below" / "settings", skipped.append)) == [f"{tmp_path}/below/settings:2"]


def test_a_secret_as_a_kubelet_lays_it_out(tmp_path: Path) -> None:
    (tmp_path / "..2026").mkdir()
    (tmp_path / "..2026" / "password").write_bytes(SECRET)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "password").symlink_to("..data/password")
    skipped: list[str] = []
    assert places(in_files(tmp_path, skipped.append)) == [f"{tmp_path}/..2026/password:1"]
    assert skipped == []
    assert places(in_files(tmp_path / "password", skipped.append)) == []
    assert skipped == [f"{tmp_path}/password: symbolic links are not followed; name what they lead to"]


def test_links_to_elsewhere_are_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "below" / ".git").mkdir(parents=True)
    for number in range(4):
        (tmp_path / "below" / f"link{number}").symlink_to(f"../missing{number}")
    (tmp_path / "below" / "loop").symlink_to("loop")
    (tmp_path / "below" / "own").symlink_to(".git/config")  # which is not searched
    skipped: list[str] = []
    assert places(in_files(tmp_path / "below", skipped.append)) == []
    (told,) = skipped
    assert told.startswith("5 symbolic links to elsewhere (")
    assert "link2, …)" in told


def test_history(tmp_path: Path) -> None:
    git(tmp_path, "init")
    commit(tmp_path, "a", b"one\n" + SECRET + b"\nthree\n")
    commit(tmp_path, "a", b"one\nthree\n")
    git(tmp_path, "checkout", "-b", "other")
    commit(tmp_path, "b c", b"x: '" + SECRET + b"'\n")
    git(tmp_path, "checkout", "main")
    git(tmp_path, "branch", "-D", "other")  # the reflog knows it still
    commit(tmp_path, "d", b"nothing\n", "told in a message: " + SECRET.decode())
    before = sorted(path.name for path in (tmp_path / ".git").rglob("*"))
    found = places(in_history(tmp_path, print))
    assert [text.split(":", 1)[1] for text in sorted(found, key=lambda text: text.split(":", 1)[1])] == [
        "a:2", "b c:1", "its message:0",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / ".git").rglob("*")) == before


def test_a_repository_runs_no_program(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / ".gitattributes").write_text("* diff=evil filter=evil\n")
    witness = tmp_path / "witness"
    for name in ("diff.evil.textconv", "diff.evil.command", "diff.external", "core.fsmonitor", "core.pager"):
        git(tmp_path, "config", name, f"touch {witness};")
    commit(tmp_path, "a", SECRET + b"\n")
    witness.unlink(missing_ok=True)  # whoever commits runs what he configured
    assert len(places(in_history(tmp_path, print))) == 1
    assert not witness.exists()


def test_what_is_no_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="git cannot read"):
        list(in_history(tmp_path, print))


@pytest.mark.parametrize(
    "before",
    [
        b"++ b/harmless", b"-- a/harmless", b"@@ -1 +1 @@", b"\\ No newline at end of file", b"commit " + b"a" * 40,
        b"diff --git a/x b/x", b"+++ b/harmless", b" ", b"", b"++ /dev/null\n@@ -0,0 +1,900 @@",
    ],
)  # fmt: skip
def test_what_was_committed_may_look_like_a_patch(tmp_path: Path, before: bytes) -> None:
    git(tmp_path, "init")
    commit(tmp_path, "patch", before + b"\n" + SECRET + b"\n")
    (found,) = places(in_history(tmp_path, print))
    assert found.split(":", 1)[1] == f"patch:{before.count(bytes([10])) + 2}"


def test_a_message_may_look_like_a_patch(tmp_path: Path) -> None:
    git(tmp_path, "init")
    commit(tmp_path, "a", b"one", "a subject\n\n+++ b/harmless\n@@ -1 +1,99 @@\n" + SECRET.decode())
    commit(tmp_path, "b", b"x=" + SECRET + b"\n")
    found = [text.split(":", 1)[1] for text in places(in_history(tmp_path, print))]
    assert sorted(found) == ["b:1", "its message:0"]


def test_files_without_a_last_newline_and_lines_that_go_and_come(tmp_path: Path) -> None:
    git(tmp_path, "init")
    commit(tmp_path, "a", b"one\ntwo")
    commit(tmp_path, "a", b"one\n-- two\n++ three\n" + SECRET)
    commit(tmp_path, "a", b"one\n" + SECRET + b"\nlast")
    found = sorted({text.split(":", 1)[1] for text in places(in_history(tmp_path, print))})
    assert found == ["a:2", "a:4"]


def test_lines_longer_than_a_piece_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "LONGEST_LINE", 64)
    git(tmp_path, "init")
    commit(tmp_path, "a", b"y" * 200 + b" " + SECRET + b"\n+" + b"z" * 200 + b"\n" + SECRET + b"\n")
    found = sorted({text.split(":", 1)[1] for text in places(in_history(tmp_path, print))})
    assert found == ["a:1", "a:3"]
