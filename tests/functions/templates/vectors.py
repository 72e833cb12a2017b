"""The vectors that Go itself made: templates, the data they see, and what Go made of them."""

import base64
import json
from pathlib import Path
from typing import Any

from functions._values import SecretValue

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "go_vectors.json").read_text())

DATA: dict[str, SecretValue] = {
    **{key: SecretValue.of(text) for key, text in VECTORS["values"].items()},
    **{key: SecretValue(base64.b64decode(text)) for key, text in VECTORS["values_base64"].items()},
}
