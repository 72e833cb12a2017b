"""The Triggers as a file for `kubectl apply`, and as the embedded broker's documentation."""

import yaml

from infra.deploy.triggers import triggers

_HEAD = "# Rendered from the steps' declarations (functions/); `make generate` writes it, `make check` compares it.\n"


def render() -> dict[str, str]:
    """`infra/deploy/triggers.yaml`, one document per step."""
    return {"infra/deploy/triggers.yaml": _HEAD + yaml.safe_dump_all(triggers(), sort_keys=False)}
