"""A `go` for tests of how programs are built: a script that notes each call and makes what it is told to make."""

import sys
from pathlib import Path

from infra.testbed.recipes import Recipe

# What each program is: one that makes a definition where it is asked to, as a generator does.
GENERATOR = """\
#!/bin/sh
for each; do
  case $each in output:crd:dir=*)
    /bin/mkdir -p "${each#output:crd:dir=}"
    made='{"kind": "CustomResourceDefinition", "metadata": {"name": "widgets.external-secrets.io"},'
    echo "$made \\"spec\\": {\\"group\\": \\"external-secrets.io\\"}}" > "${each#output:crd:dir=}/widgets.yaml"
  esac
done
"""
_SCRIPT = """\
#!{python}
import os, sys, time
with open({calls!r}, "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1:] == ["env", "GOVERSION"]:
    print(os.environ.get("GOTOOLCHAIN", "").removesuffix("+auto") if {fetches} else {version!r})
elif {fails!r} in sys.argv[1:]:
    print("go: example.com/tool: cannot be built here")
    sys.exit(1)
elif sys.argv[1] == "build":
    into = sys.argv[sys.argv.index("-o") + 1]
    while not os.path.exists({gate!r}):
        time.sleep(0.01)
    for package in sys.argv[sys.argv.index("-o") + 2 :]:
        path = into + package.rpartition("/")[2] if into.endswith("/") else into
        open(path, "w").write({makes!r})
        os.chmod(path, 0o755)
"""


class GoStub:
    """`path` is its directory, for PATH; `calls` are the arguments of every call so far."""

    def __init__(
        self, path: Path, version: str = "go1.26.0", *, fails: str = "", fetches: bool = False, held: bool = False,
        makes: str = GENERATOR,
    ) -> None:  # fmt: skip
        self.path = path
        self._calls = path / "calls"
        self._gate = path / "gate"
        path.mkdir(parents=True)
        if not held:
            self.let_go()
        script = _SCRIPT.format(
            python=sys.executable,
            calls=str(self._calls),
            version=version,
            fails=fails,
            fetches=fetches,
            gate=str(self._gate),
            makes=makes,
        )
        (path / "go").write_text(script)
        (path / "go").chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def let_go(self) -> None:
        """A held one does not finish a build before this."""
        self._gate.touch()


def recipe(folder: Path, *programs: str) -> Recipe:
    """A recipe for programs of a module of this folder."""
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/testbed\n\ngo 1.26.0\n\nrequire example.com/tool v1.2.3\n")
    (folder / "go.sum").write_text("")
    return Recipe("tool", "example.com/tool", tuple((name, f"example.com/tool/{name}") for name in programs), folder)
