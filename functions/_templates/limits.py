"""How much one rendering may cost: counted, never timed, so that the same template always ends the same way."""

from dataclasses import dataclass

from functions._templates.errors import Fault

MAX_TEMPLATE = 256 * 1024  # characters of a template
MAX_NESTING = 40  # actions and parentheses within each other; each costs several frames of Python's stack
MAX_VARIABLES = 200  # known at one place
MAX_DEPTH = 64  # lists and dicts within each other


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one rendering. Sizes are in bytes.

    `steps` counts operands, calls, iterations and elements visited. `work` is what all intermediate values together
    may take, which bounds both memory and the time that functions spend inside one step.
    """

    output: int = 1024 * 1024  # as large as a Secret may be
    value: int = 4 * 1024 * 1024
    work: int = 32 * 1024 * 1024
    steps: int = 200_000


DEFAULT = Limits()


class Budget:
    """What is left of the limits. Every method raises Fault when nothing is."""

    __slots__ = ("_limits", "_output", "_steps", "_work")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._steps = limits.steps
        self._work = limits.work
        self._output = limits.output

    def step(self, count: int = 1) -> None:
        self._steps -= count
        if self._steps < 0:
            raise Fault(f"the template takes more than {self._limits.steps} steps; make it simpler")

    def work(self, size: int) -> None:
        """Account for an intermediate value of `size` bytes: before it is made, where it is larger than its parts."""
        if size > self._limits.value:
            raise Fault(f"an intermediate value would be larger than {self._limits.value} bytes")
        self._work -= size
        if self._work < 0:
            raise Fault(f"the template handles more than {self._limits.work} bytes; make it simpler")

    def output(self, size: int) -> None:
        self._output -= size
        if self._output < 0:
            raise Fault(f"the result is larger than {self._limits.output} bytes, the most that a Secret can hold")
