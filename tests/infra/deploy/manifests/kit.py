"""A wiring with every kind of source, its manifests applied to a real cluster, and what the cluster then allows."""

import http.client
import json
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from functions._marks import SOURCE_KIND
from infra.deploy.manifests.installation import Installation
from infra.hosts.configuration import Configuration
from infra.hosts.installing import KnownWiring, rendered, wiring_of
from infra.testbed.cluster import Cluster
from tests.instance import external_secret, push_secret, store

Document = dict[str, Any]
_PLURALS = {"NetworkPolicy": "networkpolicies", "EventPolicy": "eventpolicies"}
_MANAGER = "lockstep-tests"


def path_of(document: Document) -> str:
    """Where the API server keeps it."""
    api, kind, metadata = document["apiVersion"], document["kind"], document["metadata"]
    root = f"/apis/{api}" if "/" in api else f"/api/{api}"
    plural = _PLURALS.get(kind, f"{kind.lower()}s")
    namespace = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{namespace}/{plural}/{metadata['name']}"


def documents(files: Mapping[str, str]) -> list[Document]:
    """All Kubernetes documents of a rendering, in the order of their files."""
    found = [
        yaml.safe_load_all(text)
        for name, text in sorted(files.items())
        if name.endswith(".yaml") and name != "kustomization.yaml"
    ]
    return [document for documents in found for document in documents]


class Session:
    """The administrator over one kept-alive connection: hundreds of requests a second."""

    def __init__(self, cluster: Cluster) -> None:
        address = urlsplit(cluster.server)
        trust = ssl.create_default_context(cafile=str(cluster.ca))
        self._connection = http.client.HTTPSConnection(address.hostname or "", address.port, timeout=60, context=trust)
        self._headers = {"Authorization": f"Bearer {cluster.admin_token}"}

    def call(
        self, method: str, path: str, body: Document, content_type: str = "application/json"
    ) -> tuple[int, Document]:
        self._connection.request(method, path, json.dumps(body), {**self._headers, "Content-Type": content_type})
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


def apply(cluster: Cluster, wanted: Iterable[Document], *, dry: bool = False) -> None:
    """Apply as `kubectl apply --server-side --validate=strict` does; repeated by every worker, to the same effect.

    `dry`: nothing is kept of it.
    """
    session, kept = Session(cluster), "&dryRun=All" if dry else ""
    try:
        for document in wanted:
            path = f"{path_of(document)}?fieldManager={_MANAGER}&force=true&fieldValidation=Strict{kept}"
            status, answer = session.call("PATCH", path, document, "application/apply-patch+yaml")
            assert status in {200, 201}, f"{path_of(document)}: {answer.get('message', answer)}"
    finally:
        session.close()


def ensure_namespace(cluster: Cluster, name: str) -> None:
    """Make a namespace unless it is there."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.admin.apply(f"/api/v1/namespaces/{name}", body, _MANAGER)


def written(folder: Path, wanted: Iterable[Mapping[str, Any]]) -> Path:
    """A folder of manifests."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yaml").write_text(yaml.safe_dump_all([dict(one) for one in wanted]))
    return folder


def wiring(folder: Path, wanted: Iterable[Mapping[str, Any]], former: Path | None = None) -> KnownWiring:
    """What a folder of these manifests wires; a `former` folder names what is still to be retracted."""
    return wiring_of(written(folder, wanted), Configuration(), former)


def files(known: KnownWiring, installation: Installation) -> dict[str, str]:
    """What is rendered of it."""
    return rendered(known.wired, installation, Configuration())


def teams(prefix: str) -> list[Mapping[str, Any]]:
    """Two teams that have nothing to do with each other: `<prefix>-one` consumes what `<prefix>-data` produces;
    `<prefix>-two` goes the whole way alone, and its source is a ConfigMap. `<prefix>-one` has a path rotated, too."""
    endpoint = push_secret("endpoint", f"{prefix}-two/endpoint", f"{prefix}-two/endpoint")
    endpoint = {**endpoint, "metadata": {**endpoint["metadata"], "annotations": {SOURCE_KIND: "ConfigMap"}}}
    return [
        store(),
        push_secret("one", f"{prefix}-data/source", f"{prefix}/one"),
        external_secret(f"{prefix}-one/target", f"{prefix}/one"),
        push_secret("two", f"{prefix}-two/source", f"{prefix}/two"),
        endpoint,
        external_secret(f"{prefix}-two/target", f"{prefix}/two"),
        {
            "apiVersion": "lockstep.dev/v1alpha1", "kind": "Rotation",
            "metadata": {"name": "rotated", "namespace": f"{prefix}-one"},
            "spec": {
                "secretStoreRef": {"name": "vault-backend"}, "remoteKey": f"{prefix}/rotated", "strategy": "single",
                "target": {"name": "orders", "account": "orders"},
            },
        },
    ]  # fmt: skip


Request = tuple[str, str, str, str, str]  # namespace, group, resource[/subresource], verb, name


class Reviews(Session):
    """SubjectAccessReviews: thousands of them in seconds."""

    def allowed(self, account: str, request: Request) -> bool:
        """Whether a ServiceAccount of namespace `lockstep` may do this."""
        namespace, group, resource, verb, name = request
        plain, _, sub = resource.partition("/")
        attributes = {
            "namespace": namespace, "group": group, "resource": plain, "subresource": sub, "verb": verb, "name": name,
        }  # fmt: skip
        user = f"system:serviceaccount:lockstep:{account}"
        groups = ["system:serviceaccounts", "system:serviceaccounts:lockstep", "system:authenticated"]
        spec = {"user": user, "groups": groups, "resourceAttributes": attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        status, answer = self.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
        assert status == 201, answer
        return bool(answer["status"]["allowed"])
