"""`lockstep scan`: find known secrets in files or history, by fingerprint, without keeping or printing one."""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from infra.hosts.cli.client import ControlClient
from infra.hosts.cli.failures import Exit
from infra.hosts.cli.options import output_option, root_option
from infra.hosts.cli.output import document, escaped, note, say, table
from infra.hosts.cli.patches import Place
from infra.hosts.cli.readable import yes
from infra.hosts.cli.searching import in_files, in_history
from infra.hosts.cli.up_to_date import up_to_date
from infra.hosts.cli.waiting import duration

_BATCH = 2000  # candidates of one request
_BATCH_BYTES = 400 * 1024
_NOTHING_KNOWN = (
    "no value is known here, so nothing could be found: no secret is at the authority yet, or none that could not be "
    "guessed; `lockstep status` shows what is"
)


@click.command("scan")
@root_option
@click.argument("path", type=click.Path(path_type=Path, exists=True))
@click.option("--git", "history", is_flag=True, help="Search the history of the Git repository at PATH.")
@click.option("--report", is_flag=True, help="Report what is found as leaks.")
@click.option(
    "--timeout",
    default="60s",
    show_default=True,
    metavar="DURATION",
    help="How long to wait for the index to be up to date.",
)
@output_option("json", "yaml")
@click.pass_context
def command(
    context: click.Context, root: Path, path: Path, history: bool, report: bool, timeout: str, output: str | None
) -> None:  # fmt: skip
    """Search PATH for the values of secrets that are known here, current and former.

    Candidates are turned into fingerprints by the authority and compared; none is kept, printed, or written anywhere.
    Configuration and values that could be guessed are not looked for.

    First, the index of fingerprints is brought up to date: a value that changed a moment ago is found. Where that
    cannot be had in time, the search is made with what is known, and says how many paths are newer than that.

    Exit codes: 0 nothing was found; 1 something was; 5 nothing was, and that says little: the index is behind, or
    knows no value at all.

    \b
    lockstep scan .                            files, but Git's own
    lockstep scan --git .                      all that was ever committed
    lockstep scan /var/log/app.log --report    and have what is found rotated
    """
    skipped: list[str] = []
    client = ControlClient(root)
    index = up_to_date(client, duration(timeout))
    search = _Search(client, known=index.known)
    for place, value in (in_history if history else in_files)(path, skipped.append):
        search.look_at(place, value)
    search.finish()
    for text in skipped[:20]:
        note(escaped(f"not searched: {text}"))  # names of files are whoever's who made them
    if report and search.found:
        search.report()
    answer = {
        "found": search.found, "candidates": search.looked_at, "known": search.known, "behind": index.behind,
        "skipped": len(skipped),
    }  # fmt: skip
    if output:
        say(document(answer, output))
    elif search.found:
        rows = [
            [one["place"], one["path"], one["key"], str(one["version"]), yes(one["current"]), yes(one["revoked"])]
            for one in search.found
        ]
        say(table(["place", "path", "key", "version", "current", "revoked"], rows))
    if not output:
        note(f"{search.looked_at} candidates, {search.known} known values, {len(search.found)} found")
    if index.wrong or not search.known:
        note(index.wrong or _NOTHING_KNOWN)
        context.exit(int(Exit.FINDINGS if search.found else Exit.REFUSED))
    context.exit(int(Exit.FINDINGS if search.found else Exit.OK))


@dataclass
class _Search:
    """Compares candidates in batches. Those seen before are known by a digest that is good for this run alone."""

    client: ControlClient
    found: list[dict[str, Any]] = field(default_factory=list)
    looked_at: int = 0
    known: int = 0
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)
    _seen: dict[bytes, list[dict[str, Any]]] = field(default_factory=dict, repr=False)
    _batch: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False)  # digest and value
    _waiting: dict[bytes, list[Place]] = field(default_factory=dict, repr=False)  # where those of the batch are
    _bytes: int = 0

    def look_at(self, place: Place, value: bytes) -> None:
        digest = hashlib.blake2b(value, digest_size=16, key=self._salt).digest()
        if digest in self._waiting:
            self._waiting[digest].append(place)
            return
        if digest in self._seen:
            self.found += [{**one, "place": str(place)} for one in self._seen[digest]]
            return
        if len(self._batch) >= _BATCH or self._bytes + len(value) > _BATCH_BYTES:
            self.finish()
        self._waiting[digest] = [place]
        self._batch.append((digest, value))
        self._bytes += len(value)

    def finish(self) -> None:
        """Compare what was collected."""
        if not self._batch:
            return
        values = [base64.b64encode(value).decode() for _, value in self._batch]
        answer = self.client.tell("fingerprint/match", purpose="scan", values=values)
        self.looked_at += len(values)
        self.known = answer["known"]
        for digest in self._waiting:
            self._seen[digest] = []
        for match in answer["matches"]:
            digest, _ = self._batch[match["value"]]
            secrets_there = [{"place": "", "fingerprint": match["fingerprint"], **one} for one in match["secrets"]]
            self._seen[digest] = secrets_there
            for place in self._waiting[digest]:
                self.found += [{**one, "place": str(place)} for one in secrets_there]
        self._batch, self._waiting, self._bytes = [], {}, 0

    def report(self) -> None:
        """Report each value that was found, once, with the first place that it was found at."""
        first = {one["fingerprint"]: one for one in reversed(self.found)}
        for batch in _batches(list(first.values()), 500):
            findings = [
                {"fingerprint": one["fingerprint"], "place": escaped(one["place"])[:400], "detector": "lockstep-scan"}
                for one in batch
            ]
            told = self.client.tell("leak/report", via="scanner", findings=findings)
            note(f"reported: {', '.join(one[:12] for one in told['leaks'])}")


def _batches(items: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
