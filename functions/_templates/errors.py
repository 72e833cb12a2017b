"""How a template fails."""

from functions._failures import Reject


class TemplateError(Reject):
    """A template that cannot be parsed or rendered; the message tells what to mend in it.

    Messages name lines, functions and the keys that the template's text names; never a value or anything rendered,
    as both may hold a secret.
    """


class Fault(Exception):
    """What a function or operand reports while rendering; the evaluator adds the line. The same rule holds."""
