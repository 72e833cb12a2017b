"""Servers from Debian packages: where they are looked for, and what is done where they cannot be had."""

import io
import os
import stat
import subprocess
from pathlib import Path

import pytest

from infra.testbed import packages
from infra.testbed.failures import BuildError, NoBinariesError

REDIS = packages.REDIS


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder / name


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH and cache: the folder that PATH names."""
    found = tmp_path / "path"
    found.mkdir()
    monkeypatch.setenv("PATH", str(found))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return found


def test_path_comes_before_the_cache(environ: Path, tmp_path: Path) -> None:
    with pytest.raises(NoBinariesError, match="no redis-server: run `make testbed`"):
        packages.find(REDIS)
    (folder,) = (Path(str(packages._folder(REDIS, os.environ))),)
    cached = program(folder / "usr" / "bin", "redis-server")
    assert packages.find(REDIS) == packages.Found(cached, {})
    (folder / "usr" / "lib" / "x").mkdir(parents=True)
    (folder / "usr" / "lib" / "x" / "libthing.so.2").touch()
    assert packages.find(REDIS).environ == {"LD_LIBRARY_PATH": str(folder / "usr" / "lib" / "x")}
    on_path = program(environ, "redis-server")
    assert packages.find(REDIS) == packages.Found(on_path, {})
    assert packages.provide(REDIS).path == on_path


def test_without_apt_it_says_what_to_install(environ: Path) -> None:
    with pytest.raises(BuildError, match="there is no apt-get to get redis-server with"):
        packages.provide(REDIS)


def test_what_fails_leaves_nothing_behind_and_says_what_apt_said(environ: Path, tmp_path: Path) -> None:
    for tool in ("apt-cache", "dpkg-deb", "dpkg-query", "ldd"):
        program(environ, tool)
    program(environ, "apt-get", "#!/bin/sh\necho 'E: Unable to locate package' >&2\nexit 100\n")
    out = io.StringIO()
    with pytest.raises(BuildError, match="Unable to locate package"):
        packages.provide(REDIS, out)
    assert "fetching redis-server from its Debian package: failed" in out.getvalue()
    assert [one.name for one in (tmp_path / "cache" / "lockstep" / "testbed").iterdir()] == ["packages.lock"]


def test_lists_that_are_old_are_fetched_again_apart_from_the_machines(environ: Path, tmp_path: Path) -> None:
    """A download fails until there were lists in a directory of our own; then what was fetched is unpacked."""
    log = tmp_path / "log"
    program(
        environ,
        "apt-get",
        f"""#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *Dir::State::lists=*update*) exit 0;;
  *Dir::State::lists=*download*) : > redis-tools.deb; exit 0;;
esac
exit 100
""",
    )
    program(environ, "dpkg-deb", '#!/bin/sh\n/bin/mkdir -p "$3/usr/bin"\n: > "$3/usr/bin/redis-server"\n')
    for tool in ("apt-cache", "dpkg-query", "ldd"):
        program(environ, tool)
    found = packages.provide(REDIS, io.StringIO())
    assert found.path.name == "redis-server"
    assert [line.split()[-1] for line in log.read_text().splitlines()] == ["redis-tools", "update", "redis-tools"]
    assert packages.provide(REDIS).path == found.path  # nothing is fetched twice
    assert len(log.read_text().splitlines()) == 3


def test_libraries_that_the_machine_lacks_are_fetched_too(environ: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    program(environ, "apt-get", f'#!/bin/sh\necho "$@" >> {log}\nfor one; do :; done\n: > "$one.deb"\n')
    program(
        environ,
        "dpkg-deb",
        '#!/bin/sh\n/bin/mkdir -p "$3/usr/bin" "$3/usr/lib"\n: > "$3/usr/bin/redis-server"\n'
        'case "$2" in *libneeded*) : > "$3/usr/lib/libneeded.so.1";; esac\n',
    )
    program(environ, "apt-cache", "#!/bin/sh\nprintf 'redis-tools\\n  Depends: libc6\\n  Depends: libneeded1\\n'\n")
    program(environ, "dpkg-query", '#!/bin/sh\ncase "$*" in *libc6) echo installed;; *) exit 1;; esac\n')
    program(
        environ,
        "ldd",
        '#!/bin/sh\ncase "$LD_LIBRARY_PATH" in ?*) ;; *) printf "\\tlibneeded.so.1 => not found\\n";; esac\n',
    )
    packages.provide(REDIS, io.StringIO())
    assert [line.split()[-1] for line in log.read_text().splitlines()] == ["redis-tools", "libneeded1"]


@pytest.mark.parametrize("server", packages.SERVERS, ids=lambda server: server.program)
def test_the_real_ones_run(server: packages.Server) -> None:
    try:
        found = packages.find(server)
    except NoBinariesError as missing:
        if os.environ.get("LOCKSTEP_REQUIRE_ALL") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    told = subprocess.run(
        [found.path, "--version"], capture_output=True, text=True, check=True, env=dict(found.environ)
    )
    assert "v=" in told.stdout or "alertmanager, version" in told.stdout
    assert found.path.stat().st_mode & stat.S_IXOTH
