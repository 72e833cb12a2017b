"""From what was fetched to the final data, through the manifest's template (ESO's order of precedence)."""

from collections.abc import Mapping
from typing import Literal

from functions._shaping.keys import shown
from functions._templates import TemplateError, render
from functions._values import SecretData, SecretValue


def assemble(
    data: SecretData,
    templates: Mapping[str, str],
    merge_policy: Literal["Replace", "Merge"] = "Replace",
    *,
    subject: str,
) -> dict[str, SecretValue]:
    """The final data: without templates what was fetched; else the templates' keys, beside the fetched with Merge.

    All templates see what was fetched, never each other's results. (A PushSecret's template always merges in ESO.)
    Raises TemplateError naming `subject`, the key and the line.
    """
    final = dict(data) if merge_policy == "Merge" or not templates else {}
    return {**final, **rendered(data, templates, subject=subject, place="template.data")}


def rendered(data: SecretData, templates: Mapping[str, str], *, subject: str, place: str) -> dict[str, SecretValue]:
    """Each template's result, of data or of labels and annotations (`place` says which). Raises TemplateError."""
    return {key: _one(data, text, f"{subject}: {place}[{shown(key)}]") for key, text in templates.items()}


def _one(data: SecretData, text: str, where: str) -> SecretValue:
    try:
        return render(text, data)
    except TemplateError as error:
        raise TemplateError(f"{where}: {error.reason}") from None
