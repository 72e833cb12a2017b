"""Our own definitions are structural, and take what the models take; the API server is asked in tests/e2e/cluster."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions._manifests.rotation import Rotation
from functions._manifests.rotation_target import RotationTarget
from infra.deploy import manifest_schemas
from infra.deploy.manifests.definitions import definitions, schema

ROOT = Path(__file__).parents[4]
MODELS = (Rotation, RotationTarget)


def parts(schema_: dict[str, Any], place: str = "spec") -> Iterator[tuple[str, dict[str, Any]]]:
    yield place, schema_
    for name, each in schema_.get("properties", {}).items():
        yield from parts(each, f"{place}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(schema_.get(name), dict):
            yield from parts(schema_[name], f"{place}.{name}")


@pytest.mark.parametrize("model", MODELS)
def test_every_part_has_a_type_and_nothing_that_is_not_structural(model: Any) -> None:
    for place, each in parts(schema(model)):
        assert each.get("type"), place
        assert not each.keys() & {"$ref", "anyOf", "oneOf", "const", "default", "title", "prefixItems"}, place


@pytest.mark.parametrize("model", MODELS)
def test_durations_are_texts(model: Any) -> None:
    found = {place: each for place, each in parts(schema(model)) if "duration" in each.get("description", "").lower()}
    assert found
    assert {each["type"] for each in found.values() if "pattern" in each} == {"string"}


def test_editors_of_a_namespace_may_edit_its_rotations_and_no_target() -> None:
    roles = [one for one in definitions() if one["kind"] == "ClusterRole"]
    into_edit = [one for one in roles if "rbac.authorization.k8s.io/aggregate-to-edit" in one["metadata"]["labels"]]
    assert [rule["resources"] for one in into_edit for rule in one["rules"]] == [["rotations"]]


@pytest.mark.parametrize("name", sorted(manifest_schemas.render()))
def test_a_published_schema_is_one(name: str) -> None:
    found = json.loads(manifest_schemas.render()[name])
    assert found["properties"]["kind"]["enum"] == [Path(name).stem]
    assert found["properties"]["spec"]["required"]
