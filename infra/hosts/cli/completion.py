"""`lockstep completion`: the script that makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_LOCKSTEP_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    source <(lockstep completion bash)                                      in ~/.bashrc
    source <(lockstep completion zsh)                                       in ~/.zshrc
    lockstep completion fish > ~/.config/fish/completions/lockstep.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    group = context.find_root().command
    click.echo(_script(found, group))


def _script(found: type[click.shell_completion.ShellComplete], group: click.Command) -> str:
    """The script itself, without asking the shell for its version as click does when it completes."""
    maker = found(group, {}, "lockstep", VARIABLE)
    return maker.source_template % maker.source_vars()
