"""The reference page of the command line, rendered from the commands themselves (DESIGN, principle 4)."""

import inspect
from collections.abc import Iterator, Mapping

import click

PAGE = "docs/cli.md"
Members = tuple[tuple[str, str], ...]  # a member of a JSON document, as `a.b[].c`, and what it says

_HEAD = """# The command line

Rendered from the commands in `infra/hosts/cli/` by `make generate`; change those, not this page.

Commands speak with the running `lockstep up` of a ROOT (`--root`, or LOCKSTEP_ROOT) through its Unix socket. What is
asked for goes to standard output; remarks, progress and errors go to standard error, and an error says what to do
next. `-o json` and `-o yaml` are stable: members are added, never renamed or removed. No command prints a value.

Completion: `source <(lockstep completion bash)`, or zsh, or fish.

| Exit code | Means |
|---|---|
| 0 | done; the answer is yes |
| 1 | the answer is no: out of step, findings, differences, not verified |
| 2 | the command line is wrong |
| 3 | no Lockstep runs on ROOT, or what it needs is not reachable |
| 4 | what was named does not exist |
| 5 | refused, or it cannot be carried out |
| 124 | waited in vain |
"""


def render(group: click.Group, documents: Mapping[str, Members]) -> dict[str, str]:
    """The page as {path: text}. `documents` describes the JSON of commands by name (`audit verify`)."""
    context = click.Context(group, info_name="lockstep", max_content_width=100, terminal_width=100)
    lines = [_HEAD]
    for name, command, inner in _commands(group, context):
        lines += _section(name, command, inner, documents.get(name, ()))
    return {PAGE: "\n".join(lines).rstrip("\n") + "\n"}


def _commands(group: click.Group, context: click.Context) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command that does something, with its full name, in the order of `--help`."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        full = " ".join(inner.command_path.split()[1:])
        yield full, command, inner
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _section(name: str, command: click.Command, context: click.Context, members: Members) -> Iterator[str]:
    depth = "##" if " " not in name else "###"
    yield f"{depth} lockstep {name}\n"
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}\n"
    yield from _help(command)
    yield from _options(command, context)
    if members:
        yield "| Member of `-o json` | Says |\n|---|---|"
        yield from (f"| `{member}` | {_cell(says)} |" for member, says in members)
        yield ""


def _help(command: click.Command) -> Iterator[str]:
    """The paragraphs of the help; those that click leaves as they are (examples) become code."""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        lines = paragraph.splitlines()
        if lines and lines[0].strip() == "\b":
            yield "\n".join(f"    {line}" for line in lines[1:]) + "\n"
        elif paragraph.strip():
            yield " ".join(line.strip() for line in lines) + "\n"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [
        record
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts
        if (record := parameter.get_help_record(context)) is not None
    ]
    if not records:
        return
    yield "| Option | |\n|---|---|"
    yield from (f"| `{_cell(form)}` | {_cell(text)} |" for form, text in records)
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
