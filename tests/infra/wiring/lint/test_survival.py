"""Whatever objects hold, linting them ends in findings."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.wiring.lint import lint_contents

_KEYS = st.sampled_from(
    [
        "apiVersion", "kind", "metadata", "name", "namespace", "annotations", "labels", "spec", "data", "stringData",
        "env", "image", "containers", "csi", "driver", "roleRef", "rules", "resources", "verbs", "apiGroups",
        "subjects", "generate", "clone", "provider", "selector", "secret", "template", "secretStoreRefs", "target",
        "dataFrom", "find", "conditions", "vault", "status", "items",
    ]
)  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5),
    st.sampled_from(["*", "", "secrets", "get", "update", "VAULT_ADDR", "true", "vault", "Secret", "{{ .x }}"]),
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)
_KINDS = st.sampled_from(
    [
        ("v1", "Secret"), ("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("kyverno.io/v1", "ClusterPolicy"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole"), ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass"), ("external-secrets.io/v1alpha1", "PushSecret"),
        ("external-secrets.io/v1", "ExternalSecret"), ("external-secrets.io/v1", "ClusterSecretStore"),
    ]
)  # fmt: skip


@given(_KINDS, st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_no_object_stops_the_linter(kind: tuple[str, str], body: dict[str, Any]) -> None:
    text = json.dumps({**body, "apiVersion": kind[0], "kind": kind[1]})
    for finding in lint_contents({"a.yaml": text.encode()}):
        assert finding.line == 1
