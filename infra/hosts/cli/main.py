"""`lockstep`: the command line."""

import logging
import sys
from pathlib import Path

import click

EXIT_USAGE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Keep secrets in lockstep with one authority."""


@cli.command()
@click.option("--root", envvar="LOCKSTEP_ROOT", type=click.Path(path_type=Path), required=True)
@click.option("--listen", default="127.0.0.1:8080", show_default=True)
@click.option("--seal-key", type=click.Path(path_type=Path))
def up(root: Path, listen: str, seal_key: Path | None) -> None:
    """Run everything of one ROOT in the foreground."""
    # imported here: the other commands need none of it, and start in a fraction of the time
    from infra.hosts.local.instance import Options
    from infra.hosts.local.running import Listening, run

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    run(root, Options(seal_key=seal_key), Listening(listen), lambda line: click.echo(line))


def main() -> None:
    """The program's entry point."""
    cli()
