"""Everything that is rendered from the code: `python -m infra.hosts.rendering [--check]`.

`make generate` writes the files; `make check` fails where a file differs from what the code says.
"""

import sys
from pathlib import Path

from infra.deploy import (
    broker_table,
    catalogue,
    manifest_schemas,
    metric_table,
    permission_matrix,
    step_table,
    target_pages,
    template_reference,
    trigger_manifests,
)
from infra.hosts import rendered_manifests
from infra.hosts.cli import reference
from infra.hosts.metrics import METRICS
from infra.wiring.lint import page

RENDERERS = (
    catalogue.render,
    manifest_schemas.render,
    step_table.render,
    target_pages.render,
    template_reference.render,
    page.render,
    trigger_manifests.render,
    permission_matrix.render,
    broker_table.render,
    rendered_manifests.render,
    lambda: metric_table.render(METRICS),
    reference.render,
)


def rendered() -> dict[str, str]:
    """Relative path -> text of every generated file."""
    files: dict[str, str] = {}
    for render in RENDERERS:
        files.update(render())
    return files


def main(arguments: list[str]) -> int:
    """Write the files, or with --check name those that differ; the process's exit code."""
    root = Path(__file__).resolve().parents[2]
    checking = "--check" in arguments
    stale = []
    for name, text in sorted(rendered().items()):
        target = root / name
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not checking:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stdout.write(f"{'differs from the code' if checking else 'written'}: {name}\n")
    if checking and stale:
        sys.stderr.write("generated files are out of date; run `make generate` and commit the result\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
