"""What to do about an event that the ingress refuses."""

from events.catalogue import BY_TYPE
from events.event import Category


def advice(status: int, type_: str) -> str:
    """The next action, as the end of a message; "" where the refusal itself says all."""
    if status == 503:
        return "; nothing was stored, send it again later"
    if status not in (401, 403):
        return ""
    from functions import STEPS  # here: only what was refused needs to know the steps, and every event starts sooner

    model = BY_TYPE.get(type_)
    if model is None:
        return "; operators send events of the catalogue (docs/events.md)"
    tellers = [step.name for step in STEPS if model in step.emits]
    if model.CATEGORY is Category.FACT:
        told = f"only {' and '.join(tellers)} may say it" if tellers else "only Lockstep itself says it"
        return f"; it is a fact, which {told}; give an order instead, such as publish.requested"
    return ""
