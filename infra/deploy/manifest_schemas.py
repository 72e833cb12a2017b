"""JSON Schemas of our own kinds, for editors and for checks before anything is applied."""

import json

from functions._manifests.rotation import Rotation
from functions._manifests.rotation_target import RotationTarget
from infra.deploy.manifests.definitions import SCHEMAS, json_schema

_KINDS = (Rotation, RotationTarget)


def render() -> dict[str, str]:
    """Every schema by its path in the repository."""
    return {
        f"{SCHEMAS}/{model.KIND}.json": json.dumps(json_schema(model), indent=2, ensure_ascii=False) + "\n"
        for model in _KINDS
    }
