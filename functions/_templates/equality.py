"""Deep equality, as Go's reflect.DeepEqual: values of different types are never equal."""

from functions._templates.errors import Fault
from functions._templates.limits import MAX_DEPTH, Budget
from functions._templates.values import Value, size_of


def canonical(value: Value, budget: Budget, depth: int = 0) -> object:
    """A hashable thing that is equal for two values exactly when they are deeply equal."""
    if depth > MAX_DEPTH:
        raise Fault(f"lists and dicts more than {MAX_DEPTH} deep")
    budget.step()
    budget.work(size_of(value))
    if isinstance(value, list):
        return (list, tuple(canonical(each, budget, depth + 1) for each in value))
    if isinstance(value, dict):
        items = ((key, canonical(each, budget, depth + 1)) for key, each in value.items())
        return (type(value), frozenset(items))
    return (type(value), value)
