"""The `rewrite` of an ExternalSecret's `dataFrom`."""

from typing import Literal

from pydantic import model_validator

from functions._manifests.shape import Shape


class RewriteRegexp(Shape):
    """Every match of `source` in a key is replaced by `target` (RE2 groups as `$1`)."""

    source: str
    target: str = ""


class RewriteTransform(Shape):
    """A key is replaced by what the template makes of `.value`."""

    template: str


class RewriteMerge(Shape):
    """The values, JSON objects, are merged: into one key `into`, or into the data itself."""

    into: str = ""
    priority: tuple[str, ...] = ()
    priority_policy: Literal["Strict", "IgnoreNotFound"] = "Strict"
    conflict_policy: Literal["Ignore", "Error"] = "Error"
    strategy: Literal["Extract", "JSON"] = "Extract"


class Rewrite(Shape):
    """One rewriting of keys; exactly one of the three."""

    regexp: RewriteRegexp | None = None
    transform: RewriteTransform | None = None
    merge: RewriteMerge | None = None

    @model_validator(mode="after")
    def _one(self) -> "Rewrite":
        if [self.regexp, self.transform, self.merge].count(None) != 2:
            raise ValueError("is exactly one of regexp, transform and merge")
        return self
