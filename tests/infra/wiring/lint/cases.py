"""For every rule a wiring that breaks it and one that does not: rule id -> (bad, good)."""

from tests.infra.wiring.samples import (
    STORE,
    external,
    push,
    rotation,
    rotation_target,
    secret,
    together,
    workload,
)

GOOD = together(STORE, push(), external())
ROTATED = together(STORE, rotation(), rotation_target())
_PATH = "platform-data/postgres/temporal"


def _template(text: str) -> str:
    return f"  template: {text}"


def _entry(key: str = "password", path: str = _PATH, name: str = "password") -> str:
    return f"[{{match: {{secretKey: {key!r}, remoteRef: {{remoteKey: {path}, property: {name}}}}}}}]"


def _from(text: str) -> str:
    return together(STORE, push(), external(more=f"  dataFrom: [{text}]"))


def _pushed(**parts: str) -> str:
    return together(STORE, push(**parts), external())


def _annotated(text: str) -> str:
    return secret("a", "b", "{}").replace("name: a,", f"name: a, annotations: {{{text}}},")


AWS = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: aws}
spec: {provider: {aws: {service: SecretsManager, region: eu-west-1}}}
"""
CYCLE = together(
    STORE,
    push(source="{name: postgres-temporal}", metadata='  annotations: {lockstep.dev/derived: "true"}'),
    external(namespace="platform-data", target="{name: postgres-temporal}"),
)
ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: everything}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get, update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everything}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: everything}
subjects: [{kind: ServiceAccount, name: operator, namespace: NAMESPACE}]
"""
CLASS = """\
apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: direct, namespace: temporal}
spec: {provider: PROVIDER}
"""
DERIVED = together(
    STORE,
    push(),
    external(),
    push("derived", "temporal", source="{name: postgres-temporal}", path="platform-data/temporal/backstage"),
    external("derived", "backstage", path="platform-data/temporal/backstage"),
)

CASES: dict[str, tuple[str, str]] = {
    "LS001": ("a: [1\nb: 2\n", GOOD),
    "LS002": (push().replace("kind: PushSecret", "kind: PushSecrets"), GOOD),
    "LS003": (push(more="  refreshIntervall: 1h"), GOOD),
    "LS005": (together(GOOD, push(source="{name: other}")), GOOD),
    "LS006": ("replicas: 3\n", GOOD),
    "LS007": ("apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: x}\n", GOOD),
    "LS010": (_pushed(stores="[{name: vault-backend}]"), GOOD),
    "LS011": (together(push(), external()), GOOD),
    "LS012": (
        together(
            GOOD,
            STORE.replace("vault-backend", "other"),
            external("b", store="{name: other, kind: ClusterSecretStore}"),
        ),
        GOOD,
    ),
    "LS013": (
        together(STORE + "  conditions: [{namespaces: [platform-data]}]\n", push(), external()),
        together(
            STORE + "  conditions: [{namespaces: [platform-data]}, {namespaceRegexes: ['^temp']}]\n", push(), external()
        ),
    ),
    "LS014": (together(STORE.replace("{path:", "{server: http://v:8200, path:"), push(), external()), GOOD),
    "LS015": (together(AWS, external(store="{name: aws, kind: ClusterSecretStore}")), GOOD),
    "LS016": (together(STORE.replace("path: secret", "path: lockstep"), push(), external()), GOOD),
    "LS020": (_pushed(data=f"[{{match: {{remoteRef: {{remoteKey: {_PATH}}}}}}}]"), GOOD),
    "LS021": (_pushed(more="  dataTo: [{storeRef: {name: vault-backend}}]"), GOOD),
    "LS022": (
        push().replace("{secret: {name: temporal.credentials}}", "{generatorRef: {kind: Password, name: p}}"),
        GOOD,
    ),
    "LS023": (_pushed(data="[]"), GOOD),
    "LS024": (_pushed(path="/platform-data/postgres/../temporal"), GOOD),
    "LS025": (_pushed(data=f"[{{match: {{secretKey: json, remoteRef: {{remoteKey: {_PATH}}}}}}}]"), GOOD),
    "LS027": (together(GOOD, push("second")), together(GOOD, push("second", path="platform-data/postgres/backstage"))),
    "LS028": (_pushed(more="  refreshInterval: 1h0m0s"), GOOD),
    "LS030": (together(STORE, push(), external(namespace="platform-data")), GOOD),
    "LS031": (
        together(GOOD, external("second")),
        together(GOOD, external("second").replace("postgres-temporal}", "postgres-second}")),
    ),
    "LS032": (together(STORE, push(), external(path="platform-data/postgres/backstage")), GOOD),
    "LS033": (
        _from("{find: {name: {regexp: '.*'}}}"),
        _from("{find: {path: platform-data/postgres, name: {regexp: '/temporal$'}}}"),
    ),
    "LS034": (
        _from("{find: {path: platform-data, name: {regexp: '(?=x)'}}}"),
        _from("{find: {path: platform-data, name: {regexp: 'x+'}}}"),
    ),
    "LS035": (together(GOOD, push("b", path="platform-data/postgres/backstage")), GOOD),
    "LS036": (together(STORE, push(data=_entry("username", name="username")), external()), GOOD),
    "LS037": (
        _from(f"{{extract: {{key: {_PATH}}}, rewrite: [{{transform: {{template: x}}}}]}}"),
        _from(f"{{extract: {{key: {_PATH}}}, rewrite: [{{regexp: {{source: a, target: b}}}}]}}"),
    ),
    "LS040": (CYCLE, GOOD),
    "LS041": (
        DERIVED,
        DERIVED.replace(
            "  name: derived\n  namespace: temporal\n",
            '  name: derived\n  namespace: temporal\n  annotations: {lockstep.dev/derived: "true"}\n',
        ),
    ),
    "LS050": (_pushed(path="databases/postgres/temporal"), GOOD),
    "LS051": (_pushed(path="platform-data/temporal"), GOOD),
    "LS052": (_pushed(path="platform-data/postgres/Temporal_Web"), GOOD),
    "LS053": (
        _pushed(path="platform-data/postgres/temporal-prod"),
        _pushed(path="platform-data/postgres/product-catalogue"),
    ),
    "LS054": (_pushed(data=_entry(name="PGPASSWORD")), GOOD),
    "LS055": (
        _pushed(source="{name: temporal.pg.credentials.postgresql.acid.zalan.do}", path="platform-data/redis/temporal"),
        _pushed(source="{name: temporal.pg.credentials.postgresql.acid.zalan.do}"),
    ),
    "LS060": (
        _pushed(more=_template("{data: {password: '{{ .password | exec }}'}}")),
        _pushed(more=_template("{data: {password: '{{ .password | upper }}'}}")),
    ),
    "LS061": (_pushed(more=_template("{templateFrom: [{configMap: {name: x}}]}")), GOOD),
    "LS062": (_pushed(more=_template("{type: kubernetes.io/service-account-token}")), GOOD),
    "LS063": (
        _pushed(more=_template("{metadata: {labels: {lockstep.dev/owner: me}}}")),
        _pushed(more=_template("{metadata: {labels: {app.kubernetes.io/name: me}}}")),
    ),
    "LS070": (_pushed(source="{name: vault-unseal-keys}"), GOOD),
    "LS071": (_pushed(metadata="  annotations: {lockstep.dev/origin: external}"), GOOD),
    "LS072": (together(GOOD, secret("temporal.credentials", "platform-data", "{password: ''}")), GOOD),
    "LS080": (
        _annotated("reflector.v1.k8s.emberstack.com/reflects: x/y"),
        secret("a", "b", "{}"),
    ),
    "LS081": (
        _annotated("replicator.v1.mittwald.de/replicate-to: c"),
        secret("a", "b", "{}"),
    ),
    "LS082": (together(secret("a", "b"), secret("a", "c")), together(secret("a", "b"), secret("b", "b"))),
    "LS083": (
        secret("a", "b"),
        secret("a", "b", "{password: 'ENC[AES256_GCM,data:x]'}", "sops: {version: 3.9.0}"),
    ),
    "LS084": (workload(annotations='{vault.hashicorp.com/agent-inject: "true"}'), workload()),
    "LS085": (
        workload(env="[{name: VAULT_ADDR, value: 'https://vault:8200'}]"),
        workload(env="[{name: VAULT_ADDR, value: 'https://vault:8200'}]", image="openbao/openbao:2.5"),
    ),
    "LS086": (CLASS.replace("PROVIDER", "vault"), CLASS.replace("PROVIDER", "azure")),
    "LS087": ("apiVersion: secrets.hashicorp.com/v1beta1\nkind: VaultStaticSecret\nmetadata: {name: x}\n", GOOD),
    "LS088": (external().replace("kind: ExternalSecret", "kind: ClusterExternalSecret"), GOOD),
    "LS091": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: o}\ndata: {enable_cross_namespace_secret: 'true'}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: o}\ndata: {enable_cross_namespace_secret: 'false'}\n",
    ),
    "LS092": (_pushed(metadata="  resourceVersion: '7'"), GOOD),
    "LS093": (ROLE.replace("NAMESPACE", "somewhere"), ROLE.replace("NAMESPACE", "external-secrets")),
    "LS100": (together(ROTATED, rotation("other")), ROTATED),
    "LS101": (together(STORE, push(), rotation(key=_PATH)), together(STORE, push(), rotation())),
    "LS102": (together(STORE, rotation(target="{name: nowhere, account: orders}"), rotation_target()), ROTATED),
    "LS103": (together(STORE, rotation(), rotation_target(namespaces="[other]")), ROTATED),
    "LS107": (together(STORE, rotation(schedule="{interval: 720h}"), rotation_target()), ROTATED),
    "LS109": (together(STORE, rotation(schedule="null"), rotation_target()), ROTATED),
}
