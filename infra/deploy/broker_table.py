"""The kinds of Broker as documentation: delivery order and limits, rendered from the table that renders them."""

from infra.deploy.manifests.broker import DELIVERY, KINDS

PAGE = "docs/brokers.md"

_HEAD = f"""# Brokers

Rendered from `infra/deploy/manifests/broker.py` by `make generate`; change that, not this page.

`lockstep manifests --broker KIND` renders the Broker and how Triggers ask for order. All of them deliver at least
once; steps are right whatever comes twice, late or out of order, so order decides how soon, never what. A delivery is
retried {DELIVERY["retry"]} times, from {str(DELIVERY["backoffDelay"]).removeprefix("PT").lower()} doubling, with \
{str(DELIVERY["timeout"]).removeprefix("PT").lower()} each; then it is a dead letter at `record`.

| Kind | Class | Order | Limits | Who may send |
|---|---|---|---|---|
"""
_TAIL = """| embedded | `--target kubernetes` | per secret; a newer event takes the place of one that is retried | \
one pod with one volume; thousands of events a second | its own steps, by their replies; operators on its socket |

The embedded broker needs no Knative. It is one pod: while it is replaced, nothing is delivered and nothing is lost,
as the watch begins with a listing that finds what changed meanwhile. How long that takes:
[docs/kubernetes.md](kubernetes.md).
"""


def render() -> dict[str, str]:
    """The page as {path: text}."""
    rows = [
        f"| {name} | `{kind.broker_class}` | {kind.order} | {kind.limits} | {kind.authorization} |\n"
        for name, kind in KINDS.items()
    ]
    return {PAGE: _HEAD + "".join(rows) + _TAIL}
