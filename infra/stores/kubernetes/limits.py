"""What the API server would refuse anyway, said before a value is sent anywhere."""

import re

from functions._failures import Reject
from functions._ports import SecretContent

MAX_VALUES = 1024 * 1024  # bytes of all values together (core/v1, MaxSecretSize)
_KEY = re.compile(r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}")


def refuse_unfit(subject: object, content: SecretContent) -> None:
    """Raises Reject for a key that cannot be one, and for more than Kubernetes keeps."""
    for key in content.data:
        if not _KEY.fullmatch(key):
            raise Reject(
                f"{subject}: {key[:80]!a} cannot be a key of a Secret: rename it to letters, digits, '-', '_', '.', "
                "at most 253 characters, not beginning with '..'"
            )
    size = sum(len(value) for value in content.data.values())
    if size > MAX_VALUES:
        raise Reject(
            f"{subject}: its values are {size} bytes together, and a Secret holds 1 MiB ({MAX_VALUES}): split it or "
            "shorten them"
        )
