"""The everyday subset of External Secrets Operator's v2 templates: Go's text/template with sprig's functions.

A small interpreter: values are data, nothing is read or written, and what a rendering may cost is counted.
"""

from functions._templates.errors import TemplateError
from functions._templates.limits import Limits
from functions._templates.rendering import check, render

__all__ = ["Limits", "TemplateError", "check", "render"]
