"""Parts that are defined when one is met: the same values, errors and digests as if they always were."""

import subprocess
import sys
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from functions._manifests import rare
from functions._manifests.cluster_secret_store import ClusterSecretStore
from functions._manifests.external_secret import ExternalSecret
from functions._manifests.push_secret import PushSecret
from functions._manifests.rewriting import Rewrite
from functions._manifests.searching import Find
from functions._manifests.selector import LabelSelector
from functions._manifests.store_condition import StoreCondition
from functions._manifests.template import SecretTemplate
from tests.functions.manifests.samples import external_secret, push_body, push_secret

_NAMES = [name for name in rare.__all__ if name != "Rare"]
# In a process of its own, as this one has met them.
_UNMET = """
import sys
from functions._manifests import cluster_secret_store, external_secret, push_secret
from tests.functions.manifests.samples import external_secret, push_secret

parts = [f"functions._manifests.{name}" for name in
         ("generator", "rewriting", "searching", "selector", "store_condition", "template")]
push_secret()
external_secret(data=[{"secretKey": "a", "remoteRef": {"key": "b"}}])
assert not {*parts} & {*sys.modules}
push_secret({"template": {"data": {"a": "b"}}})
assert {*parts} & {*sys.modules} == {"functions._manifests.template"}
"""


@pytest.mark.parametrize("name", _NAMES)
def test_every_rare_part_is_the_model_of_its_name(name: str) -> None:
    model = get_args(getattr(rare, name))[1].model
    assert issubclass(model, BaseModel)
    assert model.__name__ == name


def test_what_no_manifest_has_is_not_defined() -> None:
    done = subprocess.run([sys.executable, "-c", _UNMET], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_part_that_is_met_is_an_instance_of_its_model() -> None:
    push = push_secret({"selector": {"secret": {"selector": {"matchLabels": {"a": "b"}}}}, "template": {"type": "t"}})
    assert push.spec.selector.secret.selector == LabelSelector(match_labels={"a": "b"})
    assert push.spec.template == SecretTemplate(type="t")
    found = external_secret(dataFrom=[{"find": {"path": "p"}, "rewrite": [{"transform": {"template": "t"}}]}])
    assert found.spec.data_from[0].find == Find(path="p")
    assert found.spec.data_from[0].rewrite == (Rewrite.model_validate({"transform": {"template": "t"}}),)
    store = _store(conditions=[{"namespaces": ["a"]}])
    assert store.spec.conditions == (StoreCondition(namespaces=("a",)),)
    assert push.model_validate(push.model_dump(by_alias=True)) == push


def _store(**spec: Any) -> ClusterSecretStore:
    whole = {"provider": {"vault": {}}, **spec}
    body = {"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore", "metadata": {"name": "s"}}
    return ClusterSecretStore.model_validate({**body, "spec": whole})


@pytest.mark.parametrize(("spec", "place", "kind"), [
    ({"template": {"data": {"a": 1}}}, ("spec", "template", "data", "a"), "string_type"),
    ({"template": {"colour": "red"}}, ("spec", "template", "colour"), "extra_forbidden"),
    ({"template": {"templateFrom": [{}]}}, ("spec", "template", "templateFrom", 0), "value_error"),
    ({"template": "no"}, ("spec", "template"), "model_type"),
    ({"selector": {"generatorRef": {"kind": "k"}}}, ("spec", "selector", "generatorRef", "name"), "missing"),
])  # fmt: skip
def test_an_error_within_says_where_it_is(spec: dict[str, Any], place: tuple[str | int, ...], kind: str) -> None:
    with pytest.raises(ValidationError) as failed:
        PushSecret.model_validate(push_body(spec))
    assert [(each["loc"], each["type"]) for each in failed.value.errors()] == [(place, kind)]


def test_the_digest_of_a_manifest_is_what_it_always_was() -> None:
    """A manifest whose generation changes is taken for a changed one, and everything that it names is done again."""
    template = {"data": {"a": "{{ .b }}"}, "metadata": {"labels": {"x": "y"}}, "templateFrom": [{"literal": "l"}]}
    found: list[PushSecret | ExternalSecret | ClusterSecretStore] = [
        push_secret({"template": template}),
        external_secret(target={"template": template}, dataFrom=[{"find": {"path": "p", "name": {"regexp": "r"}}}]),
        _store(conditions=[{"namespaceSelector": {"matchLabels": {"a": "b"}}}]),
    ]
    assert [one.generation for one in found] == [
        "0890d34501eecac678ff0b4b09f287a6",
        "3b6c93316d75a75472437fc30b3a0676",
        "51c62fc013fb49d14076726a3054dfe5",
    ]
