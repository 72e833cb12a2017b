"""Reads kubeconfigs as kubectl does: several files merged, relative paths, contexts (kubernetes.io, "Organizing Cluster
Access Using kubeconfig Files").

What would send a credential elsewhere or cannot be honoured is refused by name, rather than left out silently. The
environment's HTTPS_PROXY is for the internet and not used.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions._values import SecretValue
from infra.kubernetes.credentials import (
    ANONYMOUS,
    Certificate,
    CertificateFiles,
    Credentials,
    GivenCertificate,
    StaticToken,
    TokenFile,
)
from infra.kubernetes.exec_plugin import VERSIONS, ExecCommand, ExecPlugin
from infra.kubernetes.settings import ClusterSettings, InvalidSettings

_LARGEST = 4 * 1024 * 1024  # bytes of one file


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cluster, user or context of a kubeconfig, and the directory that its relative paths begin at."""

    name: str
    fields: Mapping[str, Any]
    file: Path

    def text(self, key: str) -> str:
        value = self.fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, "must be text")
        return value

    def path(self, key: str) -> Path | None:
        text = self.text(key)
        return self.file.parent / text if text else None

    def data(self, key: str) -> bytes:
        try:
            return base64.b64decode(self.text(key), validate=True)
        except (binascii.Error, ValueError):
            raise self.wrong(key, "is not base64") from None

    def wrong(self, key: str, what: str) -> InvalidSettings:
        return InvalidSettings(f"{self.file}: {key} of {self.name!r} {what}")  # never what it holds


def from_kubeconfig(environ: Mapping[str, str], *, context: str = "", kubeconfig: str = "") -> ClusterSettings:
    """The cluster and the user of a context (the current one by default). Raises InvalidSettings."""
    files = _files(environ, kubeconfig)
    documents = [(path, document) for path in files if (document := _load(path, required=bool(kubeconfig))) is not None]
    if not documents:
        raise InvalidSettings(
            f"there is no kubeconfig at {', '.join(map(str, files))}; set KUBECONFIG to the file that is yours"
        )
    name = context or next((text for _, each in documents if (text := each.get("current-context"))), "")
    if not name:
        raise InvalidSettings("the kubeconfig has no current-context; choose one with 'kubectl config use-context'")
    chosen = _entry(documents, "contexts", "context", str(name))
    cluster = _entry(documents, "clusters", "cluster", chosen.text("cluster"))
    user = _entry(documents, "users", "user", chosen.text("user")) if chosen.text("user") else None
    return _settings(environ, chosen, cluster, user)


def _settings(environ: Mapping[str, str], context: _Entry, cluster: _Entry, user: _Entry | None) -> ClusterSettings:
    for key in ("proxy-url",):
        if cluster.text(key):
            raise cluster.wrong(key, "is not supported: let Lockstep reach the API server directly")
    ca = cluster.data("certificate-authority-data")
    ca_file = None if ca else cluster.path("certificate-authority")
    try:
        return ClusterSettings(
            server=cluster.text("server").rstrip("/"),
            credentials=ANONYMOUS if user is None else _credentials(environ, user, cluster),
            context=context.name,
            namespace=context.text("namespace") or "default",
            ca=ca,
            ca_file=str(ca_file or ""),
            tls_server_name=cluster.text("tls-server-name"),
            skip_verify=cluster.fields.get("insecure-skip-tls-verify") is True,
            impersonate={} if user is None else _impersonation(user),
        )
    except InvalidSettings as error:
        raise InvalidSettings(f"{error} (context {context.name!r})") from None


def _credentials(environ: Mapping[str, str], user: _Entry, cluster: _Entry) -> Credentials:
    for key in ("auth-provider", "username", "password"):
        if user.fields.get(key):
            raise user.wrong(key, "is not supported (nor by today's kubectl); use exec, a token or a certificate")
    token = _token(user)
    chain, private = user.data("client-certificate-data"), user.data("client-key-data")
    chain_file, key_file = user.path("client-certificate"), user.path("client-key")
    if (chain or chain_file) and not (private or key_file):
        raise user.wrong("client-key", "is missing: a client certificate needs its key")
    if chain or private:
        read = Certificate(chain or _read(user, chain_file), SecretValue(private or _read(user, key_file)))
        return GivenCertificate(read, token or ANONYMOUS)
    if chain_file and key_file:
        return CertificateFiles(chain_file, key_file, token)
    if token is not None:
        return token
    return _exec(environ, user, cluster) if user.fields.get("exec") else ANONYMOUS


def _token(user: _Entry) -> Credentials | None:
    path = user.path("tokenFile")
    if path is not None:
        return TokenFile(path)  # it wins over `token`, as in client-go
    text = user.text("token")
    return StaticToken(SecretValue.of(text)) if text else None


def _exec(environ: Mapping[str, str], user: _Entry, cluster: _Entry) -> Credentials:
    plugin = user.fields["exec"]
    command = plugin.get("command") if isinstance(plugin, dict) else None
    if not isinstance(plugin, dict) or not isinstance(command, str) or not command:
        raise user.wrong("exec", "needs a command")
    version = plugin.get("apiVersion")
    if version not in VERSIONS:
        raise user.wrong("exec.apiVersion", f"must be {' or '.join(VERSIONS)}")
    if plugin.get("interactiveMode") == "Always":
        raise user.wrong("exec.interactiveMode", "is Always: Lockstep has no terminal to log in at")
    if "/" in command:
        command = str(user.file.parent / command)
    try:
        argv = (command, *map(str, plugin.get("args") or ()))
        added = {str(each["name"]): str(each["value"]) for each in plugin.get("env") or ()}
    except (TypeError, KeyError):
        raise user.wrong("exec", "has args or env of another shape than kubectl's") from None
    return ExecPlugin(
        ExecCommand(
            argv=argv,
            environment={**environ, **added},
            api_version=str(version),
            cluster=_cluster_info(cluster) if plugin.get("provideClusterInfo") is True else None,
            install_hint=str(plugin.get("installHint") or ""),
        )
    )


def _cluster_info(cluster: _Entry) -> Mapping[str, Any]:
    info: dict[str, Any] = {"server": cluster.text("server")}
    ca = cluster.data("certificate-authority-data") or _read(cluster, cluster.path("certificate-authority"))
    if ca:
        info["certificate-authority-data"] = base64.b64encode(ca).decode()
    if name := cluster.text("tls-server-name"):
        info["tls-server-name"] = name
    if cluster.fields.get("insecure-skip-tls-verify") is True:
        info["insecure-skip-tls-verify"] = True
    for extension in cluster.fields.get("extensions") or ():
        if isinstance(extension, dict) and extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info


def _impersonation(user: _Entry) -> dict[str, str]:
    if not user.text("as"):
        if any(user.fields.get(key) for key in ("as-uid", "as-groups", "as-user-extra")):
            raise user.wrong("as", "is missing: groups, uid or extras are impersonated only with a user")
        return {}
    headers = {"Impersonate-User": user.text("as")}
    if uid := user.text("as-uid"):
        headers["Impersonate-Uid"] = uid
    groups = user.fields.get("as-groups") or ()
    if user.fields.get("as-user-extra") or not isinstance(groups, Sequence) or len(groups) > 1:
        raise user.wrong("as", "impersonates several groups or extras, which is not supported; use one group")
    return {**headers, **({"Impersonate-Group": str(groups[0])} if groups else {})}


def _files(environ: Mapping[str, str], kubeconfig: str) -> list[Path]:
    if kubeconfig:
        return [Path(kubeconfig).expanduser()]
    if listed := environ.get("KUBECONFIG"):
        return [Path(each) for each in dict.fromkeys(listed.split(":")) if each]
    return [Path(environ.get("HOME", "/")) / ".kube" / "config"]


def _load(path: Path, *, required: bool) -> Mapping[str, Any] | None:
    import yaml  # here: a process inside a cluster never needs it

    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except FileNotFoundError:
        if required:
            raise InvalidSettings(f"there is no kubeconfig at {path}") from None
        return None  # as kubectl: KUBECONFIG may name files that are not there
    except OSError as error:
        raise InvalidSettings(f"the kubeconfig {path} cannot be read ({type(error).__name__})") from None
    if len(raw) > _LARGEST:
        raise InvalidSettings(f"the kubeconfig {path} is larger than {_LARGEST} bytes")
    try:
        document = yaml.safe_load(raw)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise InvalidSettings(f"the kubeconfig {path} is no YAML{line}") from None  # its text may quote a token
    if document is None:
        return {}
    if not isinstance(document, dict) or document.get("kind", "Config") != "Config":
        raise InvalidSettings(f"{path} is no kubeconfig (kind: Config)")
    return document


def _entry(documents: list[tuple[Path, Mapping[str, Any]]], group: str, key: str, name: str) -> _Entry:
    """The first entry of that name; entries of one name are never mixed."""
    names = []
    for path, document in documents:
        for each in document.get(group) or ():
            if not isinstance(each, dict):
                raise InvalidSettings(f"{path}: {group} must be a list of name and {key}")
            names.append(str(each.get("name")))
            if each.get("name") == name:
                fields = each.get(key)
                return _Entry(name, fields if isinstance(fields, dict) else {}, path)
    known = ", ".join(sorted(set(names))[:10]) or "none"
    raise InvalidSettings(f"the kubeconfig has no {key} {name!r}; it has {known}")


def _read(entry: _Entry, path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path is not None else b""
    except OSError as error:
        raise InvalidSettings(f"{entry.file}: {path} cannot be read ({type(error).__name__})") from None
