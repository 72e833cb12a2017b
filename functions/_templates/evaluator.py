"""Evaluation of a parsed template, as Go's text/template does it with `missingkey=error`."""

from typing import Final, TypeAlias

from functions._templates.errors import Fault, TemplateError
from functions._templates.formatting import printed
from functions._templates.limits import Budget
from functions._templates.nodes import (
    Action,
    Bool,
    Branch,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Jump,
    Nil,
    Node,
    Number,
    Operand,
    Pipe,
    Range,
    String,
    Text,
    Variable,
)  # fmt: skip
from functions._templates.signature import Function, Missing
from functions._templates.table import FUNCTIONS
from functions._templates.values import Int64, StringMap, Value, kind_of, size_of, truth

_MISSING: Final = Missing()
_Given: TypeAlias = "Value | Missing"


def evaluate(nodes: tuple[Node, ...], data: StringMap, budget: Budget) -> bytes:
    """What the template makes of the data. Raises TemplateError naming the line."""
    evaluation = _Evaluation(data, budget)
    try:
        evaluation.walk(nodes, data)
    except Fault as fault:
        raise TemplateError(f"line {evaluation.line}: {fault}") from None
    except RecursionError:
        raise TemplateError(f"line {evaluation.line}: the template nests too deeply") from None
    return b"".join(evaluation.output)


class _Evaluation:
    def __init__(self, data: StringMap, budget: Budget) -> None:
        self.output: list[bytes] = []
        self.line = 1
        self._budget = budget
        self._variables: list[tuple[str, Value]] = [("$", data)]

    # --- actions

    def walk(self, nodes: tuple[Node, ...], dot: Value) -> Jump | None:
        """Write the nodes' output; the jump that ended them early, if one did."""
        for node in nodes:
            self._budget.step()
            if isinstance(node, Text):
                self._write(node.raw)
                continue
            self.line = node.line
            if isinstance(node, Action):
                value = self._pipe(node.pipe, dot)
                if not node.pipe.variables:
                    self._write(printed(value, self._budget))
                continue
            if isinstance(node, Jump):
                return node
            jump = self._range(node, dot) if isinstance(node, Range) else self._branch(node, dot)
            if jump is not None:
                return jump
        return None

    def _write(self, raw: bytes) -> None:
        self._budget.output(len(raw))
        self.output.append(raw)

    def _branch(self, node: Branch, dot: Value) -> Jump | None:
        scope = len(self._variables)
        value = self._pipe(node.pipe, dot)
        if truth(value):
            jump = self.walk(node.body, value if node.binds_dot else dot)
        else:
            jump = self.walk(node.otherwise, dot)
        del self._variables[scope:]
        return jump

    def _range(self, node: Range, dot: Value) -> Jump | None:
        scope = len(self._variables)
        pairs = self._elements(self._pipe(node.pipe, dot), node)
        inner = len(self._variables)
        for index, element in pairs:
            self._budget.step()
            self._bind(node.pipe, index, element)
            jump = self.walk(node.body, element)
            del self._variables[inner:]
            if jump is not None and jump.leaves:
                break
        jump = None if pairs else self.walk(node.otherwise, dot)
        del self._variables[scope:]
        return jump

    def _elements(self, value: Value, node: Range) -> list[tuple[Value, Value]]:
        if isinstance(value, int) and not isinstance(value, bool):
            if len(node.pipe.variables) > 1:
                raise Fault("range over a number takes one variable")
            self._budget.step(max(value, 0))
            return [(None, type(value)(each)) for each in range(value)]
        if isinstance(value, list):
            self._budget.step(len(value))
            return list(enumerate(value))
        if isinstance(value, dict):
            self._budget.step(len(value))
            return [(key, value[key]) for key in sorted(value)]
        if value is None:
            return []
        raise Fault(f"range can't iterate over {kind_of(value)}")

    def _bind(self, pipe: Pipe, index: Value, element: Value) -> None:
        if not pipe.variables:
            return
        values = (element,) if len(pipe.variables) == 1 else (index, element)
        for name, value in zip(pipe.variables, values, strict=True):
            self._set(name, value, pipe.assigns)

    # --- pipelines

    def _pipe(self, pipe: Pipe, dot: Value) -> Value:
        given: _Given = _MISSING
        for command in pipe.commands:
            given = self._command(command, dot, given)
        value = None if isinstance(given, Missing) else given
        for name in pipe.variables:
            self._set(name, value, pipe.assigns)
        return value

    def _set(self, name: str, value: Value, assigns: bool) -> None:
        if not assigns:
            self._variables.append((name, value))
            return
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return
        raise Fault(f"undefined variable {name}")

    def _command(self, command: Command, dot: Value, given: _Given) -> Value:
        self._budget.step()
        self.line = command.line
        first = command.first
        if isinstance(first, Call):
            return self._call(first, command.rest, dot, given)
        if command.rest or not isinstance(given, Missing):
            what = "a field" if isinstance(first, (Field, Chain)) else "what is no function"
            raise Fault(f"can't give arguments to {what}; functions stand first, as in {{{{ .key | upper }}}}")
        if isinstance(first, Nil):
            raise Fault("nil is not a command")
        return self._operand(first, dot)

    def _operand(self, node: Operand, dot: Value) -> Value:
        match node:
            case Field(_, names):
                return self._fields(dot, names)
            case Variable(_, name, names):
                return self._fields(self._variable(name), names)
            case Chain(_, of, names):
                return self._fields(self._operand(of, dot), names)
            case Pipe():
                return self._pipe(node, dot)
            case Call():
                return self._call(node, (), dot, _MISSING)
        return dot if isinstance(node, Dot) else _literal(node)

    def _variable(self, name: str) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise Fault(f"undefined variable {name}")

    def _fields(self, receiver: Value, names: tuple[bytes, ...]) -> Value:
        for name in names:
            self._budget.step()
            if not isinstance(receiver, dict):
                raise Fault(f"can't read key {_shown(name)} of {kind_of(receiver)}")
            if name not in receiver:
                raise Fault(f"key {_shown(name)} is missing; add it to the data, or read it with index and a default")
            receiver = receiver[name]
        return receiver

    # --- calls

    def _call(self, call: Call, rest: tuple[Operand, ...], dot: Value, given: _Given) -> Value:
        function = FUNCTIONS[call.name]
        function.check_count(len(rest) + (not isinstance(given, Missing)))
        if function.name in ("and", "or"):
            return self._shortcut(function.name == "or", rest, dot, given)
        arguments = [self._argument(function, at, node, dot) for at, node in enumerate(rest)]
        if not isinstance(given, Missing):
            arguments.append(function.accept(len(arguments), given))
        self.line = call.line
        self._budget.work(sum(map(size_of, arguments)))
        try:
            result = function.run(self._budget, *arguments)
        except Fault as fault:
            raise Fault(f"{function.name}: {fault}") from None
        self._budget.work(size_of(result))
        return result

    def _shortcut(self, wanted: bool, rest: tuple[Operand, ...], dot: Value, given: _Given) -> Value:
        value: Value = None
        for node in rest:
            value = self._operand(node, dot)
            if truth(value) == wanted:
                return value
        return value if isinstance(given, Missing) else given

    def _argument(self, function: Function, at: int, node: Operand, dot: Value) -> Value:
        """An argument; a literal takes the type of its parameter, everything else must have it."""
        self._budget.step()
        kind = function.parameter(at)
        if isinstance(node, Number) and kind in ("int", "int64"):
            if node.integer is None:
                raise Fault(f"{function.name}: expected an integer")
            return node.integer if kind == "int" else Int64(node.integer)
        return function.accept(at, self._operand(node, dot))


def _literal(node: Bool | Nil | Number | String) -> Value:
    if isinstance(node, Number):
        return node.ideal
    return None if isinstance(node, Nil) else node.value


def _shown(name: bytes) -> str:
    return repr(name.decode(errors="replace")[:253])
