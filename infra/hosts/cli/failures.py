"""How a command ends: exit codes, and the error that carries one."""

from enum import IntEnum

import click

from infra.hosts.cli.output import escaped


class Exit(IntEnum):
    """Documented exit codes of every command."""

    OK = 0
    FINDINGS = 1  # the question was answered, and the answer is no: out of step, findings, not verified
    USAGE = 2
    UNREACHABLE = 3  # no Lockstep runs there, or what it needs is down
    NOT_FOUND = 4
    REFUSED = 5  # not allowed, or the request cannot be carried out
    TIMEOUT = 124  # as timeout(1) says it


class CommandError(click.ClickException):
    """Goes to standard error as one line that names the next action."""

    def __init__(self, message: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__("\n".join(map(escaped, message.split("\n"))))  # it may quote anybody
        # click reads it from the instance, though its annotation speaks of the class
        self.__dict__["exit_code"] = int(code)
