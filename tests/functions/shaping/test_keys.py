"""Keys and sizes of a Secret's data."""

import pytest

from functions._shaping.keys import InvalidKey, KeyCollision, TooLarge, check_data, joined, key_problem
from functions._values import SecretValue

VALUE = SecretValue.of("canary")


@pytest.mark.parametrize("key", ["a", "A.b-c_9", ".dockerconfigjson", "...a"[3:], "a..b", "-", "_", "x" * 253])
def test_valid_keys(key: str) -> None:
    assert key_problem(key) is None


@pytest.mark.parametrize(
    "key", ["", ".", "..", "..data", "...", "a/b", "a b", "é", "a\n", "a\0", "x" * 254, "../../etc"]
)
def test_invalid_keys_are_named_without_their_values(key: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        check_data({key: VALUE}, subject="apps/web")
    assert caught.value.reason.startswith("apps/web: key ")
    assert "canary" not in caught.value.reason
    assert "\n" not in caught.value.reason


def test_the_total_size_is_bounded() -> None:
    # As Kubernetes counts: values alone (ValidateSecret), so that whatever a source may hold, a target may.
    full = SecretValue(b"x" * 1024 * 1024)
    check_data({"k": full}, subject="apps/web")
    with pytest.raises(TooLarge, match="apps/web: 1048577 bytes"):
        check_data({"k": full, "another": SecretValue(b"x")}, subject="apps/web")


def test_a_collision_names_both_keys() -> None:
    with pytest.raises(KeyCollision, match="keys 'a' and 'b' would both become 'c'"):
        joined([("a", "c", VALUE), ("b", "c", VALUE)], subject="apps/web")
