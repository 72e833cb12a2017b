"""Kubeconfigs as kubectl reads them; no credential in any message."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.kubernetes.credentials import ANONYMOUS, CertificateFiles, GivenCertificate, StaticToken, TokenFile
from infra.kubernetes.exec_plugin import ExecPlugin
from infra.kubernetes.kubeconfig import from_kubeconfig
from infra.kubernetes.settings import ClusterSettings, InvalidSettings, settings_from

CANARY = "canary-5f2c"


def config(
    path: Path, *, cluster: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None, name: str = "here", **changes: Any,
) -> Path:  # fmt: skip
    """A kubeconfig of one cluster, one user and one context, all of one name."""
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example:6443", **(cluster or {})}}],
        "users": [{"name": name, "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
        **changes,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


def load(path: Path, context: str = "", **environ: str) -> ClusterSettings:
    return from_kubeconfig(environ, context=context, kubeconfig=str(path))


def token_of(settings: ClusterSettings) -> bytes:
    token = settings.credentials.token()
    assert token is not None
    return token.reveal()


def test_the_current_context_names_cluster_user_and_namespace(tmp_path: Path) -> None:
    found = load(config(tmp_path / "c", user={"token": CANARY}, context={"namespace": "temporal"}))
    assert (found.server, found.context, found.namespace) == ("https://here.example:6443", "here", "temporal")
    assert token_of(found) == CANARY.encode()
    assert isinstance(found.credentials, StaticToken)
    assert CANARY not in repr(found)


def test_the_namespace_is_default_where_none_is_said(tmp_path: Path) -> None:
    assert load(config(tmp_path / "c")).namespace == "default"


def test_a_context_without_a_user_is_nobody(tmp_path: Path) -> None:
    assert load(config(tmp_path / "c", context={"user": ""})).credentials is ANONYMOUS


def test_a_named_context_wins_over_the_current_one(tmp_path: Path) -> None:
    one, two = config(tmp_path / "one", name="one"), config(tmp_path / "two", name="two")
    found = from_kubeconfig({"KUBECONFIG": f"{one}:{two}"}, context="two")
    assert found.server == "https://two.example:6443"


def test_several_files_are_merged_and_the_first_to_say_something_wins(tmp_path: Path) -> None:
    first = config(tmp_path / "first", name="same", user={"token": "first"})
    second = config(tmp_path / "second", name="same", user={"token": "second"}, cluster={"server": "https://second"})
    listed = f"{tmp_path / 'absent'}::{first}:{second}"  # what is missing or empty is passed over
    found = from_kubeconfig({"KUBECONFIG": listed})
    assert (found.server, token_of(found)) == ("https://same.example:6443", b"first")


def test_without_anything_said_it_is_the_one_at_home(tmp_path: Path) -> None:
    config(tmp_path / ".kube" / "config", name="home")
    assert settings_from({"HOME": str(tmp_path)}).context == "home"


def test_relative_paths_begin_at_the_file_that_says_them(tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "token").write_text("from-file\n")
    user = {"tokenFile": "pki/token", "token": "ignored-beside-a-file"}
    found = load(config(tmp_path / "c", cluster={"certificate-authority": "pki/ca.crt"}, user=user))
    assert found.ca_file == str(tmp_path / "pki" / "ca.crt")
    assert isinstance(found.credentials, TokenFile)
    assert token_of(found) == b"from-file"


def test_data_wins_over_files(tmp_path: Path) -> None:
    cluster = {"certificate-authority-data": base64.b64encode(b"PEM").decode(), "certificate-authority": "ca.crt"}
    found = load(config(tmp_path / "c", cluster=cluster))
    assert (found.ca, found.ca_file) == (b"PEM", "")


def test_what_a_cluster_says_of_tls_is_kept(tmp_path: Path) -> None:
    found = load(config(tmp_path / "c", cluster={"tls-server-name": "api", "insecure-skip-tls-verify": True}))
    assert (found.tls_server_name, found.skip_verify) == ("api", True)


def test_a_client_certificate_in_the_text(tmp_path: Path) -> None:
    user = {f"client-{part}-data": base64.b64encode(part.encode()).decode() for part in ("certificate", "key")}
    found = load(config(tmp_path / "c", user={**user, "token": "beside"}))
    certificate = found.credentials.certificate()
    assert certificate is not None
    assert (certificate.chain, certificate.key.reveal()) == (b"certificate", b"key")
    assert token_of(found) == b"beside"
    assert isinstance(found.credentials, GivenCertificate)


def test_a_client_certificate_in_files_is_read_when_it_is_needed(tmp_path: Path) -> None:
    found = load(config(tmp_path / "c", user={"client-certificate": "a.crt", "client-key": "a.key"}))
    assert isinstance(found.credentials, CertificateFiles)
    (tmp_path / "a.crt").write_text("chain")
    (tmp_path / "a.key").write_text("key")
    certificate = found.credentials.certificate()
    assert certificate is not None
    assert certificate.chain == b"chain"


def test_impersonation_becomes_headers(tmp_path: Path) -> None:
    user = {"as": "system:serviceaccount:a:b", "as-uid": "7", "as-groups": ["system:masters"]}
    assert load(config(tmp_path / "c", user=user)).impersonate == {
        "Impersonate-User": "system:serviceaccount:a:b", "Impersonate-Uid": "7", "Impersonate-Group": "system:masters",
    }  # fmt: skip


def test_an_exec_plugin_gets_the_environment_its_own_variables_and_the_cluster(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "login"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        'printf %s "$KUBERNETES_EXEC_INFO" > "$OUT"\n'
        """echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential","""
        """ "status": {"token": "'"$1$MORE"'"}}'\n"""
    )
    script.chmod(0o755)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/login", "args": ["one"],
        "env": [{"name": "MORE", "value": "-two"}], "provideClusterInfo": True, "interactiveMode": "IfAvailable",
    }  # fmt: skip
    found = load(config(tmp_path / "c", user={"exec": plugin}), OUT=str(tmp_path / "info"), PATH="/usr/bin:/bin")
    assert isinstance(found.credentials, ExecPlugin)
    assert token_of(found) == b"one-two"
    info = json.loads((tmp_path / "info").read_text())
    assert info == {
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": "https://here.example:6443"}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": {"auth-provider": {"name": "gcp", "config": {"access-token": CANARY}}}}, "auth-provider"),
        ({"user": {"username": "a", "password": CANARY}}, "username"),
        ({"user": {"client-certificate": "a.crt"}}, "client-key"),
        ({"user": {"client-key-data": f"{CANARY}!"}}, "not base64"),
        ({"user": {"token": [CANARY]}}, "must be text"),
        ({"user": {"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1alpha1"}}}, "apiVersion"),
        ({"user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}}, "needs a command"),
        (
            {"user": {"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1", "env": [CANARY]}}},
            "another shape",
        ),
        (
            {
                "user": {
                    "exec": {
                        "command": "x",
                        "apiVersion": "client.authentication.k8s.io/v1",
                        "interactiveMode": "Always",
                    }
                }
            },
            "no terminal",
        ),
        ({"user": {"as-groups": ["a"]}}, "only with a user"),
        ({"user": {"as": "a", "as-groups": ["a", "b"]}}, "use one group"),
        ({"cluster": {"proxy-url": "http://proxy"}}, "proxy-url"),
        ({"cluster": {"server": "ftp://x"}}, "correct it in the kubeconfig"),
        ({"cluster": {"server": f"https://user:{CANARY}@host"}}, "nothing else"),
        ({"current-context": ""}, "no current-context"),
        ({"current-context": "gone"}, "no context 'gone'; it has here"),
        ({"kind": "Secret"}, "no kubeconfig"),
        ({"contexts": ["text"]}, "must be a list"),
        ({"context": {"cluster": "gone"}}, "no cluster 'gone'"),
        ({"context": {"user": "gone"}}, "no user 'gone'"),
    ],
)
def test_what_cannot_be_used_is_named_and_no_credential_is_shown(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidSettings, match=message) as refused:
        load(config(tmp_path / "c", **changes))
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("text", [f"a: [{CANARY}", f"\tusers: {CANARY}", f"- {CANARY}", f"{CANARY}"])
def test_what_is_no_kubeconfig_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "c").write_text(text)
    with pytest.raises(InvalidSettings) as refused:
        load(tmp_path / "c")
    assert CANARY not in str(refused.value)


def test_a_kubeconfig_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="there is no kubeconfig at"):
        load(tmp_path / "absent")
    with pytest.raises(InvalidSettings, match="set KUBECONFIG to"):
        from_kubeconfig({"HOME": str(tmp_path)})
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load(tmp_path)


def test_an_enormous_file_is_no_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"# " + b"x" * (4 * 1024 * 1024))
    with pytest.raises(InvalidSettings, match="larger than"):
        load(tmp_path / "c")
