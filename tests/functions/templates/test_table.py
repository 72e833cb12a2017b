"""The function table: nothing stands in it twice, and every function that ESO has is accounted for."""

import re

import pytest

from functions._templates import check
from functions._templates.signature import Function
from functions._templates.table import FUNCTIONS, REFUSED
from tests.functions.templates.vectors import VECTORS

_TEXTS = "\n".join(text for text, _ in VECTORS["rendered"] + VECTORS["rendered_base64"]) + "\n".join(VECTORS["fails"])


def test_no_function_is_both_supported_and_refused() -> None:
    assert not FUNCTIONS.keys() & REFUSED.keys()


def test_every_function_says_what_it_does() -> None:
    for function in FUNCTIONS.values():
        assert function.does
        assert function.group


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_has_a_vector(name: str) -> None:
    assert re.search(rf"\b{name}\b", _TEXTS)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_every_refused_function_is_refused_by_its_name(name: str) -> None:
    assert check(f"{{{{ {name} }}}}")[0].startswith(f"line 1: not supported by Lockstep: function {name} (")


def test_a_row_with_an_unknown_type_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="parameters of f"):
        Function("f", "number", lambda _: None, "nothing")
