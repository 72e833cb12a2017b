"""`templateFrom[].literal`: a template whose result is a YAML mapping of keys (ESO, advanced templating)."""

from collections.abc import Iterable

from functions._failures import Reject
from functions._shaping.keys import shown
from functions._templates import TemplateError, render
from functions._values import SecretData, SecretValue


class NotAMapping(Reject):
    """The result of a literal is no mapping of keys to scalars."""


def from_literals(data: SecretData, texts: Iterable[str], *, subject: str) -> dict[str, SecretValue]:
    """What the literals make, a later one winning. Raises TemplateError and NotAMapping, naming `subject`."""
    result: dict[str, SecretValue] = {}
    for number, text in enumerate(texts):
        result.update(_literal(data, text, f"{subject}: templateFrom[{number}].literal"))
    return result


def _literal(data: SecretData, text: str, where: str) -> dict[str, SecretValue]:
    # imported here: few manifests have one, and a step's cold start need not pay for the YAML reader
    from functions._templates.errors import Fault
    from functions._templates.formatting import printed
    from functions._templates.limits import DEFAULT, Budget
    from functions._templates.yaml_text import parsed

    try:
        made = render(text, data).reveal()
        budget = Budget(DEFAULT)
        members = parsed(made, budget)
    except TemplateError as error:
        raise TemplateError(f"{where}: {error.reason}") from None
    except Fault as fault:
        raise NotAMapping(f"{where}: {fault}") from None
    result: dict[str, SecretValue] = {}
    for raw, value in members.items():
        key = raw.decode(errors="replace")
        if isinstance(value, list | dict):
            raise NotAMapping(f"{where}: {shown(key)} holds more than one scalar")
        result[key] = SecretValue(
            value if isinstance(value, bytes) else b"" if value is None else printed(value, budget)
        )
    return result
