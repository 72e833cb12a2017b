"""The reference page of template functions, rendered from the function table (DESIGN, principle 4)."""

from functions._templates.limits import DEFAULT, MAX_DEPTH, MAX_NESTING, MAX_TEMPLATE
from functions._templates.table import FUNCTIONS, REFUSED

PAGE = "docs/templates.md"

_HEAD = f"""# Templates

Rendered from the function table in `functions/_templates/` by `make generate`; change that, not this page.

Templates are External Secrets Operator's (`engineVersion: v2`): Go's text/template with sprig's functions, in which
`{{{{ .key }}}}` is a value and `{{{{ index . "a-key" }}}}` one whose name is no identifier. They are rendered by a
small interpreter that reads and writes nothing. Values are data and never parsed as templates; they may hold any bytes.

- Supported: `if`, `else if`, `with`, `range`, `break`, `continue`, variables, pipelines, parentheses, comments, `{{{{-`
  and `-}}}}`, and the functions below. Not supported: `define`, `template`, `block`, `call`, complex numbers.
- A missing key is an error. An optional one is read with `{{{{ index . "key" | default "..." }}}}`.
- Types are Go's: arithmetic gives int64, which functions that take an int refuse until `| int`; the data itself is a
  map of strings, which functions that take a dict refuse.
- One rendering may make {DEFAULT.output // 1024} KiB, take {DEFAULT.steps} steps, and handle
  {DEFAULT.work // 1048576} MiB of intermediate values of at most {DEFAULT.value // 1048576} MiB each. A template has at
  most {MAX_TEMPLATE // 1024} KiB and {MAX_NESTING} actions or parentheses within each other; data at most {MAX_DEPTH}
  levels. It is counted, not timed.
- Errors name lines, functions and keys, never values.

Where ESO would put a complaint into the Secret, Lockstep fails instead: printing nil (`<no value>`); `printf` with a
verb that does not fit (`%!d(string=...)`); `b64dec`, `b32dec`, `hexdec` and `fromYaml` of what is not in that form. It
also refuses `nospace` of what is not ASCII, which sprig garbles, and YAML with aliases, tags or several documents.
`keys` and `values` are sorted, where ESO's order is random. `toYaml` folds long double-quoted strings at other places.
"""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _supported() -> list[str]:
    lines: list[str] = ["## Functions"]
    group = ""
    for function in FUNCTIONS.values():
        if function.group != group:
            group = function.group
            lines += ["", f"### {group}", "", _row("Function", "Parameters", "Gives"), _row("---", "---", "---")]
        lines.append(_row(f"`{function.name}`", function.parameters or "none", function.does))
    return lines


def _refused() -> list[str]:
    lines = ["", "## Refused, by name", "", "`lint` reports them and rendering fails with the name.", ""]
    lines += [_row("Why", "Functions"), _row("---", "---")]
    for reason in dict.fromkeys(REFUSED.values()):
        names = ", ".join(f"`{name}`" for name in sorted(REFUSED) if REFUSED[name] == reason)
        lines.append(_row(reason, names))
    return lines


def render() -> dict[str, str]:
    """The page as {path: text}."""
    return {PAGE: "\n".join([_HEAD, *_supported(), *_refused()]) + "\n"}
