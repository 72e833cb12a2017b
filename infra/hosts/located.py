"""How a place in the wiring reads."""


def located(file: str, line: int) -> str:
    """`file:line`; an object of a cluster has no line."""
    return f"{file}:{line}" if line else file
