"""YAML text to plain values that remember their lines, within bounds whatever the text holds.

Built from parser events without recursion: nesting, nodes and the growth by aliases are all counted. Values are what
Kubernetes' decoder makes of YAML 1.1: timestamps and sexagesimals stay text, keys are text, a key stands once.
"""

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import yaml

DEEPEST = 64
MOST_NODES = 50_000  # of one document, an alias counting as all that it stands for

_INT = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    **dict.fromkeys(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"), False),
}  # fmt: skip
_TAG = "tag:yaml.org,2002:"
_STARTS = (yaml.MappingStartEvent, yaml.SequenceStartEvent)  # made once: there are a hundred events in a manifest
_ENDS = (yaml.MappingEndEvent, yaml.SequenceEndEvent)


class TreeError(ValueError):
    """The text is no acceptable YAML document. `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Mapping(dict[str, Any]):
    """A mapping that knows on which line it and each of its keys begins."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Sequence(list[Any]):
    """A sequence that knows on which line it and each of its items begins."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


def parse_tree(text: str, first_line: int = 1) -> Any:
    """The value of one YAML document (None for an empty one). Raises TreeError."""
    builder = _Builder(first_line)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark else 0
        raise TreeError(f"is not YAML: {error.problem}", first_line + line) from None
    except yaml.reader.ReaderError as error:
        line = first_line + text.count("\n", 0, error.position)
        raise TreeError("holds a character that YAML does not allow", line) from None
    return builder.root


def line_of(tree: Any, location: tuple[Hashable, ...]) -> int:
    """The line of a place, or of the nearest place around it that exists."""
    line: int = getattr(tree, "line", 1)
    for part in location:
        if isinstance(tree, Mapping) and isinstance(part, str) and part in tree:
            line, tree = tree.lines.get(part, tree.line), tree[part]
        elif isinstance(tree, Sequence) and isinstance(part, int) and 0 <= part < len(tree):
            line, tree = tree.lines[part], tree[part]
        else:
            break
    return line


class _Frame:
    """A collection under construction: its value, the key that waits for one, and how many nodes it stands for."""

    __slots__ = ("anchor", "key", "key_line", "merges", "nodes", "value")

    def __init__(self, value: Mapping | Sequence, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.key_line = 0
        self.nodes = 1
        self.merges: list[Mapping] = []


class _Builder:
    def __init__(self, first_line: int) -> None:
        self.root: Any = None
        self._first = first_line
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = self._first + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, line)
            if event.anchor:
                self._anchors[event.anchor] = (value, 1)
            self._add(value, 1, line, plain=not event.style)
        elif isinstance(event, _STARTS):
            self._open(event, line)
        elif isinstance(event, _ENDS):
            self._close(line)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise TreeError(f"alias *{event.anchor} names no finished anchor", line)
            self._add(*self._anchors[event.anchor], line, plain=False)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise TreeError("begins a second document without '---' at the start of a line", line)

    def _open(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if len(self._frames) >= DEEPEST:
            raise TreeError(f"is nested deeper than {DEEPEST} levels", line)
        if event.tag not in (None, "!", f"{_TAG}map", f"{_TAG}seq"):
            raise TreeError(f"has the tag {event.tag!r}; only plain YAML is read", line)
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._frames.append(_Frame(Mapping(line) if mapping else Sequence(line), event.anchor))

    def _close(self, line: int) -> None:
        frame = self._frames.pop()
        if isinstance(frame.value, Mapping):
            for merged in frame.merges:
                for key, value in merged.items():
                    if key not in frame.value:
                        frame.value[key] = value
                        frame.value.lines[key] = merged.lines[key]
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.value, frame.nodes)
        self._add(frame.value, frame.nodes, frame.value.line, plain=False)

    def _add(self, value: Any, nodes: int, line: int, *, plain: bool) -> None:
        if not self._frames:
            self.root = value
            return
        frame = self._frames[-1]
        frame.nodes += nodes
        if frame.nodes > MOST_NODES:
            raise TreeError(f"stands for more than {MOST_NODES} nodes; split it, or use fewer aliases", line)
        if isinstance(frame.value, Sequence):
            frame.value.append(value)
            frame.value.lines.append(line)
        elif frame.key is None:
            frame.key, frame.key_line = _key(value, line), line
            if frame.key == "<<" and not plain:
                raise TreeError("has the quoted key '<<', which Kubernetes has no use for", line)
        else:
            self._set(frame, frame.value, value)

    def _set(self, frame: _Frame, into: Mapping, value: Any) -> None:
        key, line = frame.key or "", frame.key_line
        frame.key = None
        if key == "<<":
            parts = value if isinstance(value, Sequence) else [value]
            if not all(isinstance(part, Mapping) for part in parts):
                raise TreeError("merges ('<<') something that is no mapping", line)
            frame.merges.extend(parts)
        elif key in into:
            raise TreeError(f"has the key {key[:80]!r} twice (first on line {into.lines[key]}); keep one", line)
        else:
            into[key] = value
            into.lines[key] = line


def _key(value: Any, line: int) -> str:
    if not isinstance(value, str):
        shown = value if isinstance(value, bool | int | float | None) else "a collection"
        raise TreeError(f"has a key that is not text ({shown}); put it in quotes", line)
    return value


def _scalar(event: yaml.ScalarEvent, line: int) -> Any:
    tag = event.tag
    if tag in (None, "!"):
        return event.value if event.style or tag == "!" else _resolve(event.value)
    if tag == f"{_TAG}str":
        return event.value
    if tag in (f"{_TAG}int", f"{_TAG}float", f"{_TAG}bool", f"{_TAG}null"):
        return _resolve(event.value)
    raise TreeError(f"has the tag {tag!r}; only plain YAML is read", line)


@lru_cache(maxsize=8192)
def _resolve(text: str) -> Any:
    """What an unquoted scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if not (text[0].isdigit() or text[0] in "+-."):
        return text
    if len(text) <= 40:  # longer than any number that a manifest holds
        if _INT.fullmatch(text):
            return _integer(text.replace("_", ""))
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def _integer(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


# libyaml's parser where PyYAML was built with it: the same events, some ten times faster.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
