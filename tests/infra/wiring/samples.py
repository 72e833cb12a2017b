"""Manifests for tests, as text: one correct wiring, and pieces to break it with."""

STORE = """\
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: vault-backend}
spec:
  provider:
    vault: {path: secret, version: v2}
"""


def push(
    name: str = "temporal",
    namespace: str = "platform-data",
    *,
    path: str = "platform-data/postgres/temporal",
    source: str = "{name: temporal.credentials}",
    data: str | None = None,
    stores: str = "[{name: vault-backend, kind: ClusterSecretStore}]",
    metadata: str = "",
    more: str = "",
) -> str:
    entries = data or (
        f"[{{match: {{secretKey: username, remoteRef: {{remoteKey: {path}, property: username}}}}}}, "
        f"{{match: {{secretKey: password, remoteRef: {{remoteKey: {path}, property: password}}}}}}]"
    )
    return f"""\
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata:
  name: {name}
  namespace: {namespace}
{metadata}
spec:
  secretStoreRefs: {stores}
  selector: {{secret: {source}}}
  data: {entries}
{more}
"""


def external(
    name: str = "temporal",
    namespace: str = "temporal",
    *,
    path: str = "platform-data/postgres/temporal",
    data: str | None = None,
    store: str = "{name: vault-backend, kind: ClusterSecretStore}",
    target: str = "{name: postgres-temporal}",
    metadata: str = "",
    more: str = "",
) -> str:
    entries = data or f"[{{secretKey: password, remoteRef: {{key: {path}, property: password}}}}]"
    return f"""\
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: {name}
  namespace: {namespace}
{metadata}
spec:
  secretStoreRef: {store}
  target: {target}
  data: {entries}
{more}
"""


def together(*documents: str) -> str:
    return "---\n".join(documents)


def secret(name: str, namespace: str, values: str = "{password: aHVudGVyMg==}", more: str = "") -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\ndata: {values}\n{more}\n"


def workload(env: str = "[]", annotations: str = "{}", volumes: str = "[]", image: str = "example/temporal:1") -> str:
    return f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: temporal, namespace: temporal}}
spec:
  template:
    metadata: {{annotations: {annotations}}}
    spec:
      containers:
        - name: main
          image: {image}
          env: {env}
      volumes: {volumes}
"""


def rotation(
    name: str = "orders", namespace: str = "shop", *, key: str = "platform-data/postgres/orders",
    strategy: str = "single", target: str = "{name: orders-postgres, account: orders}",
    schedule: str = "{interval: 720h, window: 'Mon-Fri 22:00-04:00 UTC'}", more: str = "",
) -> str:  # fmt: skip
    return f"""\
apiVersion: lockstep.dev/v1alpha1
kind: Rotation
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  secretStoreRef: {{name: vault-backend}}
  remoteKey: {key}
  strategy: {strategy}
  target: {target}
  schedule: {schedule}
{more}
"""


def rotation_target(
    name: str = "orders-postgres", *, type_: str = "postgres", parameters: str = "{host: db.example.com}",
    namespaces: str = "[shop]", accounts: str = "['orders*']",
) -> str:  # fmt: skip
    return f"""\
apiVersion: lockstep.dev/v1alpha1
kind: RotationTarget
metadata: {{name: {name}}}
spec:
  type: {type_}
  parameters: {parameters}
  admin: {{mount: secret, remoteKey: platform-data/postgres/admin}}
  allow: [{{namespaces: {namespaces}, accounts: {accounts}}}]
"""
