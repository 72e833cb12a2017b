"""From a template's text to tokens, as Go's text/template/parse reads them."""

import re
from dataclasses import dataclass
from typing import NoReturn

from functions._templates.errors import TemplateError

KEYWORDS = frozenset(
    {"block", "break", "continue", "define", "else", "end", "if", "range", "nil", "template", "with"}
)  # fmt: skip
_SPACE = " \t\r\n"
_SPACES = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"\w+")
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_CHARACTER = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_RAW = re.compile(r"`[^`]*`")
_NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F_]*\.?[0-9a-fA-F_]*(?:[pP][-+]?[0-9_]*)?|0[oO][0-7_]*|0[bB][01_]*"
    r"|[0-9_]*\.?[0-9_]*(?:[eE][-+]?[0-9_]*)?)"
)
_PUNCTUATION = {"=": "assign", "|": "pipe", ",": "comma", "(": "open", ")": "close"}
_TERMINATORS = _SPACE + ".,|:)("


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is text, start, end, space, identifier, keyword, bool, string, char, number, field, variable, dot,
    declare, assign, pipe, comma, open, close or eof."""

    kind: str
    text: str
    line: int


class Lexer:
    """Reads one template. Raises TemplateError naming the line of what Go would not read either."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._tokens: list[Token] = []

    def tokens(self) -> list[Token]:
        text = self._text
        while (start := text.find("{{", self._at)) >= 0:
            literal = text[self._at : start]
            trims = text.startswith("-", start + 2) and text[start + 3 : start + 4] in tuple(_SPACE)
            self._emit("text", literal.rstrip(_SPACE) if trims else literal)
            self._advance(start + (3 if trims else 2))
            comment = self._at + 1 if trims else self._at
            if text.startswith("/*", comment):
                self._comment(comment)
            else:
                self._action()
        self._emit("text", text[self._at :])
        self._advance(len(text))
        self._emit("eof", "")
        return self._tokens

    def _comment(self, at: int) -> None:
        end = self._text.find("*/", at + 2)
        if end < 0:
            self._fail("unclosed comment")
        self._advance(end + 2)
        if not self._right_delimiter():
            self._fail("comment ends before closing delimiter: '*/' and '}}' belong together")

    def _action(self) -> None:
        self._emit("start", "{{")
        depth = 0
        while True:
            closed = self._at
            if self._right_delimiter(emit=depth == 0):
                if depth:
                    self._at = closed
                    self._fail("unclosed left parenthesis")
                return
            if self._at >= len(self._text):
                self._fail("unclosed action: '}}' is missing")
            self._next()
            kind = self._tokens[-1].kind
            depth += (kind == "open") - (kind == "close")
            if depth < 0:
                self._fail("unexpected right parenthesis")

    def _right_delimiter(self, emit: bool = False) -> bool:
        text, at = self._text, self._at
        trims = text[at : at + 1] in tuple(_SPACE) and text.startswith("-}}", at + 1)
        if not trims and not text.startswith("}}", at):
            return False
        if emit:
            self._emit("end", "}}")
        at += 4 if trims else 2
        if trims:
            spaces = _SPACES.match(text, at)
            at = spaces.end() if spaces else at
        self._advance(at)
        return True

    def _next(self) -> None:
        text, at = self._text, self._at
        char = text[at]
        if char in _SPACE:
            match = _SPACES.match(text, at)
            end = match.end() if match else at + 1
            # The last space belongs to a trim marker that follows it.
            self._take("space", end - 1 if text.startswith("-}}", end) and end - at > 1 else end)
        elif char == ":":
            if not text.startswith(":=", at):
                self._fail("expected :=")
            self._take("declare", at + 2)
        elif char in _PUNCTUATION:
            self._take(_PUNCTUATION[char], at + 1)
        elif char in "\"'`":
            self._quoted(char)
        elif char == "$" or (char == "." and not text[at + 1 : at + 2].isdecimal()):
            self._name(char)
        elif char in "+-." or (char.isascii() and char.isdigit()):
            self._number()
        elif _WORD.match(char):
            self._identifier()
        else:
            self._fail(f"unexpected character {_shown(char)} in an action")

    def _quoted(self, quote: str) -> None:
        pattern = {'"': _STRING, "'": _CHARACTER, "`": _RAW}[quote]
        match = pattern.match(self._text, self._at)
        if match is None:
            self._fail("unterminated character constant" if quote == "'" else "unterminated string")
        self._take("char" if quote == "'" else "string", match.end())

    def _name(self, char: str) -> None:
        match = _WORD.match(self._text, self._at + 1)
        end = match.end() if match else self._at + 1
        kind = "variable" if char == "$" else "field" if match else "dot"
        self._terminated(end)
        self._take(kind, end)

    def _number(self) -> None:
        match = _NUMBER.match(self._text, self._at)
        end = match.end() if match else self._at
        if end == self._at or _WORD.match(self._text, end):
            self._fail("bad number syntax")
        self._take("number", end)

    def _identifier(self) -> None:
        match = _WORD.match(self._text, self._at)
        end = match.end() if match else self._at + 1
        word = self._text[self._at : end]
        self._terminated(end)
        if word in KEYWORDS:
            self._take("keyword", end)
        else:
            self._take("bool" if word in ("true", "false") else "identifier", end)

    def _terminated(self, end: int) -> None:
        follows = self._text[end : end + 1]
        if follows and follows not in _TERMINATORS and not self._text.startswith("}}", end):
            hint = ' (a key with a dash is read with {{ index . "the-key" }})' if follows == "-" else ""
            self._fail(f"unexpected character {_shown(follows)} after a name{hint}")

    def _take(self, kind: str, end: int) -> None:
        self._emit(kind, self._text[self._at : end])
        self._advance(end)

    def _emit(self, kind: str, text: str) -> None:
        if text or kind == "eof":
            self._tokens.append(Token(kind, text, self._line))

    def _advance(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _fail(self, problem: str) -> NoReturn:
        raise TemplateError(f"line {self._line}: {problem}")


def _shown(char: str) -> str:
    return f"U+{ord(char):04X}"
