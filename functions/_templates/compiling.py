"""Parsing and static checks, once per template text."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from functions._templates.errors import Fault, TemplateError
from functions._templates.nodes import Action, Branch, Call, Chain, Command, Node, Operand, Pipe, Range
from functions._templates.parser import parse
from functions._templates.table import FUNCTIONS, REFUSED


@lru_cache(maxsize=256)
def compiled(text: str) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The template's nodes and what is wrong with it: one syntax error, or every function that cannot be called."""
    try:
        nodes = parse(text)
    except TemplateError as error:
        return (), (error.reason,)
    return nodes, tuple(_problems(nodes))


def _problems(nodes: tuple[Node, ...]) -> Iterator[str]:
    for pipe in _pipes(nodes):
        for position, command in enumerate(pipe.commands):
            yield from _command_problems(command, piped=position > 0)


def _pipes(nodes: Iterable[Node]) -> Iterator[Pipe]:
    for node in nodes:
        if isinstance(node, (Action, Branch, Range)):
            yield node.pipe
        if isinstance(node, (Branch, Range)):
            yield from _pipes(node.body)
            yield from _pipes(node.otherwise)


def _command_problems(command: Command, piped: bool) -> Iterator[str]:
    if isinstance(command.first, Call):
        yield from _call_problems(command.first, len(command.rest) + piped)
    else:
        yield from _operand_problems(command.first)
    for operand in command.rest:
        yield from _operand_problems(operand)


def _operand_problems(operand: Operand) -> Iterator[str]:
    if isinstance(operand, Chain):
        operand = operand.of
    if isinstance(operand, Call):
        yield from _call_problems(operand, 0)
    elif isinstance(operand, Pipe):
        for position, command in enumerate(operand.commands):
            yield from _command_problems(command, piped=position > 0)


def _call_problems(call: Call, count: int) -> Iterator[str]:
    function = FUNCTIONS.get(call.name)
    if function is None:
        reason = REFUSED.get(call.name)
        if reason is None:
            yield f"line {call.line}: unknown function {call.name[:60]}"
        else:
            yield f"line {call.line}: not supported by Lockstep: function {call.name} ({reason})"
        return
    try:
        function.check_count(count)
    except Fault as fault:
        yield f"line {call.line}: {fault}"
