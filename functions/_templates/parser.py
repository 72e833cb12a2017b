"""From tokens to nodes, by the grammar of Go's text/template/parse."""

from typing import NoReturn

from functions._templates.errors import Fault, TemplateError
from functions._templates.lexer import Lexer, Token
from functions._templates.limits import MAX_NESTING, MAX_TEMPLATE, MAX_VARIABLES
from functions._templates.literals import character, number, unquoted
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

_UNSUPPORTED = ("block", "define", "template")


def parse(text: str) -> tuple[Node, ...]:
    """The nodes of a template. Raises TemplateError for what is no template. Function names are not looked at."""
    if len(text) > MAX_TEMPLATE:
        raise TemplateError(f"the template is longer than {MAX_TEMPLATE} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TemplateError("the template is not Unicode text: it holds half of a surrogate pair") from None
    return _Parser(Lexer(text).tokens()).template()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._variables = ["$"]
        self._nesting = 0
        self._loops = 0

    def template(self) -> tuple[Node, ...]:
        nodes, stop = self._nodes()
        if stop.kind != "eof":
            self._fail(stop, f"unexpected {{{{{stop.text}}}}}")
        return nodes

    # --- actions

    def _nodes(self) -> tuple[tuple[Node, ...], Token]:
        """The nodes up to `else`, `end` or the end of the text, and that token."""
        nodes: list[Node] = []
        while (token := self._take()).kind != "eof":
            if token.kind == "text":
                nodes.append(Text(token.line, token.text.encode()))
                continue
            keyword = self._peek_over_space()
            if keyword.kind != "keyword":
                nodes.append(Action(keyword.line, self._pipe("command", "end")))
                continue
            self._take()
            if keyword.text in ("else", "end"):
                return tuple(nodes), keyword
            nodes.append(self._control(keyword))
        return tuple(nodes), token

    def _control(self, keyword: Token) -> Node:
        if keyword.text in _UNSUPPORTED:
            self._fail(keyword, f"not supported by Lockstep: action {keyword.text}")
        if keyword.text == "nil":
            self._fail(keyword, "nil is not a command")
        if keyword.text in ("break", "continue"):
            if not self._loops:
                self._fail(keyword, f"{{{{{keyword.text}}}}} outside of range")
            self._expect_end(keyword.text)
            return Jump(keyword.line, leaves=keyword.text == "break")
        self._deeper(keyword)
        node = self._branch(keyword)
        self._nesting -= 1
        return node

    def _branch(self, keyword: Token) -> Node:
        scope = len(self._variables)
        pipe = self._pipe(keyword.text, "end")
        loops = keyword.text == "range"
        self._loops += loops
        body, stop = self._nodes()
        self._loops -= loops
        otherwise: tuple[Node, ...] = ()
        if stop.kind == "keyword" and stop.text == "else":
            otherwise = self._otherwise(keyword)
        elif stop.kind == "eof":
            self._fail(stop, f"{{{{{keyword.text}}}}} of line {keyword.line} has no {{{{end}}}}")
        else:
            self._expect_end("end")
        del self._variables[scope:]
        if loops:
            return Range(keyword.line, pipe, body, otherwise)
        return Branch(keyword.line, pipe, body, otherwise, binds_dot=keyword.text == "with")

    def _otherwise(self, keyword: Token) -> tuple[Node, ...]:
        again = self._peek_over_space()
        if again.kind == "keyword" and again.text == keyword.text and again.text in ("if", "with"):
            self._take()
            self._deeper(again)
            node = self._branch(again)
            self._nesting -= 1
            return (node,)
        self._expect_end("else")
        nodes, stop = self._nodes()
        if stop.kind == "eof" or stop.text != "end":
            self._fail(stop, f"expected {{{{end}}}} of the {{{{{keyword.text}}}}} of line {keyword.line}")
        self._expect_end("end")
        return nodes

    # --- pipelines

    def _pipe(self, context: str, end: str) -> Pipe:
        line = self._peek_over_space().line
        variables, assigns = self._declared(context)
        commands: list[Command] = []
        while True:
            token = self._peek_over_space()
            if token.kind == end:
                self._take()
                break
            if token.kind in ("eof", "end", "close", "pipe", "comma", "assign", "declare"):
                self._fail(token, f"unexpected {_name(token)} in {context}")
            commands.append(self._command())
        if not commands:
            self._fail(token, f"missing value for {context}")
        for command in commands[1:]:
            if isinstance(command.first, (Bool, Dot, Nil, Number, String)):
                self._fail(token, "a literal or the dot can only begin a pipeline")
        if not assigns:
            self._variables.extend(variables)
        if len(self._variables) > MAX_VARIABLES:
            self._fail(token, f"more than {MAX_VARIABLES} variables in one place")
        return Pipe(line, tuple(commands), variables, assigns)

    def _declared(self, context: str) -> tuple[tuple[str, ...], bool]:
        """The variables that a pipeline sets, and whether it assigns to them rather than declares them."""
        begin = self._at
        names: list[str] = []
        while (token := self._peek_over_space()).kind == "variable":
            self._take()
            names.append(token.text)
            follows = self._peek_over_space()
            if follows.kind in ("declare", "assign"):
                self._take()
                if follows.kind == "assign":
                    for name in names:
                        self._known(name, follows)
                return tuple(names), follows.kind == "assign"
            if follows.kind != "comma":
                break
            self._take()
            if context != "range" or len(names) > 1:
                self._fail(follows, f"too many declarations in {context}")
        if len(names) > 1 or (names and self._tokens[self._at - 1].kind == "comma"):
            self._fail(token, "range can only initialize variables: range $index, $element := ...")
        self._at = begin
        return (), False

    def _command(self) -> Command:
        operands: list[Operand] = []
        line = self._peek_over_space().line
        while True:
            self._peek_over_space()
            operand = self._operand()
            if operand is not None:
                operands.append(operand)
            token = self._tokens[self._at]
            if token.kind == "space":
                continue
            if token.kind == "pipe":
                self._take()  # as in Go, nothing need follow
            elif token.kind not in ("end", "close"):
                self._fail(token, f"unexpected {_name(token)} in operand")
            break
        if not operands:
            self._fail(token, "empty command")
        return Command(line, operands[0], tuple(operands[1:]))

    def _operand(self) -> Operand | None:
        token = self._tokens[self._at]
        node = self._term(token)
        if node is None:
            return None
        names: list[bytes] = []
        while self._tokens[self._at].kind == "field":
            names.append(self._take().text[1:].encode())
        if not names:
            return node
        if isinstance(node, Field):
            return Field(node.line, (*node.names, *names))
        if isinstance(node, Variable):
            return Variable(node.line, node.name, (*node.names, *names))
        if not isinstance(node, (Call, Pipe)):
            self._fail(token, "unexpected . after a literal or the dot")
        return Chain(node.line, node, tuple(names))

    def _term(self, token: Token) -> Operand | None:
        if token.kind not in _TERMS and not (token.kind == "keyword" and token.text == "nil"):
            if token.kind == "keyword":
                self._fail(token, f"unexpected {{{{{token.text}}}}} in an operand")
            return None
        self._take()
        if token.kind == "open":
            self._deeper(token)
            pipe = self._pipe("parenthesized pipeline", "close")
            self._nesting -= 1
            return pipe
        if token.kind == "variable":
            self._known(token.text, token)
            return Variable(token.line, token.text)
        return self._leaf(token)

    def _leaf(self, token: Token) -> Operand:
        line, text = token.line, token.text
        if token.kind in ("string", "char", "number"):
            return self._literal(token)
        if token.kind == "identifier":
            return Call(line, text)
        if token.kind == "field":
            return Field(line, (text[1:].encode(),))
        if token.kind == "bool":
            return Bool(line, text == "true")
        return Dot(line) if token.kind == "dot" else Nil(line)

    def _literal(self, token: Token) -> Operand:
        try:
            if token.kind == "string":
                return String(token.line, unquoted(token.text))
            if token.kind == "number":
                return number(token.text, token.line)
            code = character(token.text)
        except Fault as fault:
            self._fail(token, str(fault))
        return Number(token.line, code, code)

    # --- tokens

    def _known(self, name: str, token: Token) -> None:
        if name not in self._variables:
            self._fail(token, f"undefined variable {name[:60]}")

    def _deeper(self, token: Token) -> None:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._fail(token, f"more than {MAX_NESTING} actions or parentheses within each other")

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind != "eof"
        return token

    def _peek_over_space(self) -> Token:
        while self._tokens[self._at].kind == "space":
            self._at += 1
        return self._tokens[self._at]

    def _expect_end(self, context: str) -> None:
        token = self._peek_over_space()
        if token.kind != "end":
            self._fail(token, f"unexpected {_name(token)} after {context}")
        self._take()

    def _fail(self, token: Token, problem: str) -> NoReturn:
        raise TemplateError(f"line {token.line}: {problem}")


_TERMS = frozenset({"identifier", "field", "dot", "bool", "string", "char", "number", "variable", "open"})
_WORDS = {"eof": "end of the template", "end": "}}", "close": ")", "pipe": "|", "comma": ",", "assign": "="}


def _name(token: Token) -> str:
    """What a token is. Never its text: a literal's text may be a value that somebody wrote into the template."""
    return _WORDS.get(token.kind, ":=" if token.kind == "declare" else f"a {token.kind}")
