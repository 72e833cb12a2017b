"""`lockstep`: the command line. Every command is a module beside this one, named as the command."""

import importlib
import signal
import sys

import click

from infra.hosts.cli.failures import Exit

# command -> module; imported when it is called, so that each starts in a fraction of the time
COMMANDS = {
    "up": "infra.hosts.cli.up",
    "status": "infra.hosts.cli.status",
    "explain": "infra.hosts.cli.explain",
    "events": "infra.hosts.cli.events",
    "diff": "infra.hosts.cli.diff",
    "reconcile": "infra.hosts.cli.reconcile",
    "wait": "infra.hosts.cli.wait",
    "suspend": "infra.hosts.cli.suspend",
    "resume": "infra.hosts.cli.resume",
    "adopt": "infra.hosts.cli.adopt",
    "completion": "infra.hosts.cli.completion",
    "serve": "infra.hosts.cli.serve",
    "watch": "infra.hosts.cli.watch",
    "emit": "infra.hosts.cli.emit",
    "rotate": "infra.hosts.cli.rotate",
    "rotation": "infra.hosts.cli.rotation",
    "dead-letters": "infra.hosts.cli.dead_letters",
    "audit": "infra.hosts.cli.audit",
    "leak": "infra.hosts.cli.leak",
    "fingerprint": "infra.hosts.cli.fingerprint",
    "scan": "infra.hosts.cli.scan",
    "check": "infra.hosts.cli.check",
    "steps": "infra.hosts.cli.steps",
    "lint": "infra.hosts.cli.lint",
    "manifests": "infra.hosts.cli.manifests",
    "decide": "infra.hosts.cli.decide",
    "version": "infra.hosts.cli.version",
}


class _Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Keep secrets in lockstep with one authority.

    \b
    Exit codes: 0 done; 1 the answer is no (out of step, findings, not verified); 2 usage; 3 Lockstep or what it
    needs is not reachable; 4 not found; 5 refused; 124 waited in vain.
    """


def main() -> None:
    """The program's entry point.

    An interrupt ends a command at once, by its signal. As an exception it might be raised where Python ignores those
    (a callback within an import), be printed, and the command would go on. One that has to be left in order says so.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in the background, where it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        cli(prog_name="lockstep")
    except OSError as error:  # whatever a command expects to fail, it says itself; this is its own output
        click.echo(f"Error: the output cannot be written: {error.strerror or type(error).__name__}", err=True)
        sys.exit(int(Exit.REFUSED))
