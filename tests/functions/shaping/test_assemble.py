"""The final data, through a template."""

from typing import Literal

import pytest

from functions._shaping.assemble import assemble, rendered
from functions._templates import TemplateError
from functions._values import SecretValue

DATA = {"user": SecretValue.of("app"), "bin": SecretValue(b"\xff\x00")}


@pytest.mark.parametrize(("templates", "policy", "expected"), [
    ({}, "Replace", {"user": b"app", "bin": b"\xff\x00"}),
    ({}, "Merge", {"user": b"app", "bin": b"\xff\x00"}),
    ({"url": "pg://{{ .user }}"}, "Replace", {"url": b"pg://app"}),
    ({"url": "pg://{{ .user }}"}, "Merge", {"user": b"app", "bin": b"\xff\x00", "url": b"pg://app"}),
    ({"user": "{{ .user | upper }}", "u2": "{{ .user }}"}, "Merge", {"user": b"APP", "bin": b"\xff\x00", "u2": b"app"}),
    ({"copy": "{{ .bin }}"}, "Replace", {"copy": b"\xff\x00"}),
])  # fmt: skip
def test_it_assembles_as_eso(
    templates: dict[str, str], policy: Literal["Replace", "Merge"], expected: dict[str, bytes]
) -> None:
    found = assemble(DATA, templates, policy, subject="apps/web")
    assert {key: value.reveal() for key, value in found.items()} == expected


def test_what_was_fetched_is_left_alone() -> None:
    before = dict(DATA)
    assemble(DATA, {"user": "x"}, "Merge", subject="s")
    assert before == DATA


def test_an_error_names_resource_key_and_line() -> None:
    with pytest.raises(TemplateError, match=r"^apps/web: template\.data\['url'\]: line 2: key 'pass' is missing"):
        assemble(DATA, {"url": "\n{{ .pass }}"}, subject="apps/web")


def test_labels_say_where_they_are() -> None:
    assert rendered(DATA, {"l": "{{ .user }}"}, subject="s", place="template.metadata.labels")["l"].reveal() == b"app"
    with pytest.raises(TemplateError, match=r"^s: template\.metadata\.labels\['l'\]: line 1: unknown function nope"):
        rendered(DATA, {"l": "{{ nope }}"}, subject="s", place="template.metadata.labels")
