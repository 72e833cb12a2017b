"""Go's Sprintf for the verbs that a Secret may need.

Where Go would write its complaint into the text (`%!d(string=...)`), which nobody wants in a Secret and which holds
the value, this raises Fault.
"""

import re
from dataclasses import dataclass

from functions._templates.errors import Fault
from functions._templates.formatting import quoted, quoted_rune, scalar
from functions._templates.limits import MAX_DEPTH, Budget
from functions._templates.values import Value, kind_of

_VERB = re.compile(rb"%([-+ 0]*)([0-9]*)(\.[0-9]*)?([a-zA-Z%])")
_WIDEST = 1_000_000  # as in Go
_BASES = {"b": "b", "o": "o", "x": "x", "X": "X", "d": "d"}


@dataclass(frozen=True, slots=True)
class _Directive:
    flags: str
    width: int
    precision: int | None
    verb: str


def printf(budget: Budget, form: bytes, *values: Value) -> bytes:
    """The format with its verbs replaced by the arguments. Raises Fault unless they fit each other exactly."""
    out: list[bytes] = []
    at = used = 0
    while (percent := form.find(b"%", at)) >= 0:
        budget.step()
        out.append(form[at:percent])
        directive, at = _directive(form, percent)
        if directive.verb == "%":
            out.append(b"%")
            continue
        if used >= len(values):
            raise Fault("more verbs than arguments")
        budget.work(directive.width + (directive.precision or 0))
        out.append(_formatted(directive, values[used], budget, 0))
        used += 1
    if used < len(values):
        raise Fault("more arguments than verbs")
    out.append(form[at:])
    budget.work(sum(map(len, out)))
    return b"".join(out)


def _directive(form: bytes, at: int) -> tuple[_Directive, int]:
    match = _VERB.match(form, at)
    if match is None:
        raise Fault("a verb of the format is incomplete or not supported (no '#', '*' or '[n]')")
    flags, width, precision, verb = (part.decode() if part is not None else None for part in match.groups())
    sizes = int((width or "0")[:8]), None if precision is None else int(precision[1:9] or "0")
    if max(sizes[0], sizes[1] or 0) > _WIDEST:
        raise Fault(f"a width or precision beyond {_WIDEST}")
    return _Directive(flags or "", sizes[0], sizes[1], verb or ""), match.end()


def _formatted(to: _Directive, value: Value, budget: Budget, depth: int) -> bytes:
    if depth > MAX_DEPTH:
        raise Fault(f"lists and dicts more than {MAX_DEPTH} deep")
    if isinstance(value, (list, dict)):
        return _composite(to, value, budget, depth)
    if isinstance(value, bytes):
        return _padded(to, _string(to, value, budget), zeros=to.verb in "sqvxX")
    if value is None:
        if to.verb != "v":
            raise _unfit(to, value)
        return _padded(to, scalar(value))
    if isinstance(value, bool):
        if to.verb not in "tv":
            raise _unfit(to, value)
        return _padded(to, scalar(value), zeros=True)
    return _real(to, value) if isinstance(value, float) else _integer(to, value)


def _composite(to: _Directive, value: list[Value] | dict[bytes, Value], budget: Budget, depth: int) -> bytes:
    budget.step(len(value) + 1)
    budget.work((to.width + (to.precision or 0)) * len(value))
    if isinstance(value, list):
        return b"[%s]" % b" ".join(_formatted(to, each, budget, depth + 1) for each in value)
    parts = (
        b"%s:%s" % (_formatted(to, key, budget, depth + 1), _formatted(to, value[key], budget, depth + 1))
        for key in sorted(value)
    )
    return b"map[%s]" % b" ".join(parts)


def _string(to: _Directive, raw: bytes, budget: Budget) -> bytes:
    if to.verb in "xX":
        shown = raw if to.precision is None else raw[: to.precision]
        separated = shown.hex(" ") if " " in to.flags else shown.hex()
        return (separated.upper() if to.verb == "X" else separated).encode()
    if to.verb not in "svq":
        raise _unfit(to, raw)
    if to.precision is not None:
        cut = raw.decode(errors="surrogateescape")[: to.precision]
        raw = cut.encode(errors="surrogateescape")
    if to.verb != "q":
        return raw
    ascii_only = "+" in to.flags
    return quoted(raw, budget, ascii_only=ascii_only)


def _integer(to: _Directive, value: int) -> bytes:
    value = int(value)
    if to.verb in "cqU":
        return _padded(to, _rune(to, value))
    base = "d" if to.verb == "v" else _BASES.get(to.verb)
    if base is None:
        raise _unfit(to, value)
    digits = format(abs(value), base)
    if to.precision is not None:
        digits = "" if to.precision == 0 and value == 0 else digits.rjust(to.precision, "0")
    return _signed(to, digits, negative=value < 0, zeros=to.precision is None)


def _rune(to: _Directive, code: int) -> bytes:
    if to.verb == "U":
        return f"U+{code:04X}".encode() if code >= 0 else _no_rune(to)
    if to.verb == "q":
        return quoted_rune(code)
    valid = 0 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return (chr(code) if valid else "\ufffd").encode()


def _no_rune(to: _Directive) -> bytes:
    raise Fault(f"verb %{to.verb} of a negative number")


def _real(to: _Directive, value: float) -> bytes:
    if to.verb not in "vgGeEfF":
        raise _unfit(to, value)
    text = scalar(abs(value)).decode()
    finite = text[0].isdigit()
    if to.verb in "vgG" and to.precision is None:
        text = text.replace("e", "E") if to.verb == "G" else text
    elif finite:
        text = format(abs(value), f".{6 if to.precision is None else to.precision}{'g' if to.verb == 'v' else to.verb}")
    negative = str(value).startswith("-")
    return _signed(to, text.lstrip("+"), negative=negative, zeros=finite, infinite=text == "+Inf")


def _signed(to: _Directive, digits: str, *, negative: bool, zeros: bool, infinite: bool = False) -> bytes:
    sign = "-" if negative else "+" if "+" in to.flags or infinite else " " if " " in to.flags else ""
    if zeros and "0" in to.flags and "-" not in to.flags:
        digits = digits.rjust(to.width - len(sign), "0")
    return _padded(to, (sign + digits).encode())


def _padded(to: _Directive, raw: bytes, *, zeros: bool = False) -> bytes:
    missing = to.width - len(raw.decode(errors="surrogateescape"))
    if missing <= 0:
        return raw
    if "-" in to.flags:
        return raw + b" " * missing
    return (b"0" if zeros and "0" in to.flags else b" ") * missing + raw


def _unfit(to: _Directive, value: Value) -> Fault:
    return Fault(f"verb %{to.verb} does not fit {kind_of(value)}")
