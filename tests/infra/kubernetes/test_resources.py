"""Where the API server keeps things."""

from infra.kubernetes.resources import CLUSTER_SECRET_STORES, DEPLOYMENTS, PUSH_SECRETS, SECRETS, Resource


def test_paths() -> None:
    assert SECRETS.path() == "/api/v1/secrets"
    assert SECRETS.path("a") == "/api/v1/namespaces/a/secrets"
    assert DEPLOYMENTS.path("a", "b", "scale") == "/apis/apps/v1/namespaces/a/deployments/b/scale"
    assert CLUSTER_SECRET_STORES.path("ignored", "b") == "/apis/external-secrets.io/v1/clustersecretstores/b"


def test_no_name_leads_elsewhere() -> None:
    assert SECRETS.path("../x", "a/b?c#d%") == "/api/v1/namespaces/..%2Fx/secrets/a%2Fb%3Fc%23d%25"


def test_names() -> None:
    assert (PUSH_SECRETS.qualified, PUSH_SECRETS.api_version) == (
        "pushsecrets.external-secrets.io", "external-secrets.io/v1alpha1",
    )  # fmt: skip
    assert (Resource("", "v1", "pods", "Pod").qualified, SECRETS.api_version) == ("pods", "v1")
