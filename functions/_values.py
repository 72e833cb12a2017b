"""Secret values, which mask themselves wherever they are printed (DESIGN, principle 1)."""

from collections.abc import Mapping
from hmac import compare_digest
from typing import NoReturn


class SecretValue:
    """Bytes that no repr, format, log, pickle or JSON encoder shows. `reveal()` is the one way out."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    @classmethod
    def of(cls, text: str) -> "SecretValue":
        return cls(text.encode())

    def reveal(self) -> bytes:
        return self._raw

    def __len__(self) -> int:
        return len(self._raw)

    def __bool__(self) -> bool:
        return True  # an empty value is a value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and compare_digest(self._raw, other._raw)

    __hash__ = None  # type: ignore[assignment]  # a value is no key of a mapping

    def __repr__(self) -> str:
        return "SecretValue(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecretValue is not serialised; reveal() it at the store")


SecretData = Mapping[str, SecretValue]
