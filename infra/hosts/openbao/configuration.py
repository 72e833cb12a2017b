"""The server's configuration file, and what it sets up by itself the first time it runs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.deploy.vault_policies import (
    FINGERPRINT_KEY,
    LEAK_KEY,
    REVOKED_KEY,
    SELF_SERVICE,
    Mounts,
    Rules,
    policy_text,
)
from infra.hosts.openbao.identities import WARDEN
from infra.hosts.openbao.seal import SealKey

# A Secret may hold 1 MiB, of which JSON makes up to six times as much.
MAX_ENTRY_BYTES = 16 * 1024 * 1024
MAX_JSON_STRINGS = 20_000

TOKEN_PERIOD = 3600  # seconds that a token lives after each renewal


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports: of the API, and of raft, which always wants one."""

    api: int
    cluster: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.api}"


def render(state: Path, ports: Ports, seal: SealKey, secret_id_file: Path | None) -> str:
    """The configuration (HCL). With `secret_id_file` it also sets the server up: mounts, key, the warden.

    The audit file is relative to the server's working directory, the state: the server refuses to start when the
    path differs from the first one it was given, so that an absolute one would nail the state to its place.
    """
    text = f"""\
storage "raft" {{
  path = {_quoted(state / "raft")}
  node_id = "lockstep"
  max_entry_size = "{MAX_ENTRY_BYTES}"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "127.0.0.1:{ports.api}"
  cluster_address = "127.0.0.1:{ports.cluster}"
  tls_disable = true
  max_request_json_strings = "{MAX_JSON_STRINGS}"
}}
seal "static" {{
  current_key_id = {_quoted(seal.id)}
  current_key = {_quoted(f"file://{seal.path}")}
}}
audit "file" "file" {{
  options {{
    file_path = "audit.log"
    mode = "0600"
  }}
}}
telemetry {{
  disable_hostname = true
  usage_gauge_period = "0s"
}}
api_addr = {_quoted(ports.address)}
cluster_addr = "https://127.0.0.1:{ports.cluster}"
ui = false
log_level = "info"
"""
    return text if secret_id_file is None else text + _initialize(secret_id_file)


def role(policy: str) -> dict[str, Any]:
    """An AppRole's parameters: one policy, used from this machine, renewable for as long as it is used."""
    loopback = ["127.0.0.1/32"]
    return {
        "token_policies": [policy],
        "token_no_default_policy": True,
        "token_period": TOKEN_PERIOD,
        "token_type": "service",
        "token_bound_cidrs": loopback,
        "secret_id_bound_cidrs": loopback,
    }


def warden_policy() -> str:
    """What the host's administrative identity may do: policies and roles named `lockstep-*`, not its own.

    Whoever writes policies can grant himself more: its credential is as precious as the state directory it is in.
    """
    rules: Rules = {path: {capability} for path, capability in SELF_SERVICE}
    rules["sys/health"] = {"read"}
    rules["sys/policies/acl/lockstep-*"] = {"create", "read", "update"}
    rules["auth/approle/role/lockstep-*"] = {"create", "read", "update"}
    text = policy_text("The host keeps the steps' policies and roles.", rules)
    # Written by hand, because here the more specific rule must take something away.
    for path in (f"sys/policies/acl/{WARDEN}", f"auth/approle/role/{WARDEN}", f"auth/approle/role/{WARDEN}/*"):
        text += f'path "{path}" {{\n  capabilities = ["deny"]\n}}\n'
    return text


def _initialize(secret_id_file: Path) -> str:
    mounts = Mounts()
    kv: Mapping[str, Any] = {"type": "kv", "options": {"version": "2"}}
    requests: Sequence[tuple[str, str, Mapping[str, Any]]] = (
        ("values", "sys/mounts/secret", kv),
        ("documents", f"sys/mounts/{mounts.documents}", kv),
        ("transit", f"sys/mounts/{mounts.transit}", {"type": "transit"}),
        ("key", f"{mounts.transit}/keys/{mounts.key}", {"type": "ed25519", "exportable": False}),
        ("leak-key", f"{mounts.transit}/keys/{LEAK_KEY}", FINGERPRINT_KEY),
        ("revoked-key", f"{mounts.transit}/keys/{REVOKED_KEY}", FINGERPRINT_KEY),
        ("approle", "sys/auth/approle", {"type": "approle"}),
        ("policy", f"sys/policies/acl/{WARDEN}", {"policy": warden_policy()}),
        ("role", f"auth/approle/role/{WARDEN}", role(WARDEN)),
        ("role-id", f"auth/approle/role/{WARDEN}/role-id", {"role_id": WARDEN}),
    )
    blocks = [_request(name, path, _object(data)) for name, path, data in requests]
    source = f'{{ eval_type = "string", eval_source = "file", path = {_quoted(secret_id_file)} }}'
    known = f"auth/approle/role/{WARDEN}/custom-secret-id"
    blocks.append(_request("secret-id", known, f"{{ secret_id = {source} }}"))
    return 'initialize "lockstep" {\n' + "".join(blocks) + "}\n"


def _request(name: str, path: str, data: str) -> str:
    return f'  request "{name}" {{\n    operation = "update"\n    path = "{path}"\n    data = {data}\n  }}\n'


def _object(data: Mapping[str, Any]) -> str:
    entries = (
        f"{key} = {_object(value) if isinstance(value, Mapping) else _quoted(value)}" for key, value in data.items()
    )
    return "{ " + ", ".join(entries) + " }"


def _quoted(value: object) -> str:
    """A literal; strings are quoted as JSON does, which HCL reads the same way unless they interpolate."""
    return json.dumps(str(value) if isinstance(value, Path) else value).replace("${", "$${")
