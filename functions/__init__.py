"""The steps of a secret's life, one verb per module. `STEPS` is the table of contents.

Adding one: its module with a `STEP`, its test, and its line here. Everything else (Triggers, policies, who may send
what, the documentation) is rendered from these declarations.
"""

from functions import materialize, publish, record, retract, sweep
from functions._step import Step

STEPS: tuple[Step, ...] = (
    publish.STEP,
    materialize.STEP,
    retract.STEP,
    sweep.STEP,
    record.STEP,
)

BY_NAME: dict[str, Step] = {step.name: step for step in STEPS}
