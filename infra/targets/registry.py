"""Which module speaks to which type of system: a new type is one line here, its module and its test.

Modules are loaded when a target of their type is opened: clients take time to load, and most steps need none.
"""

from importlib import import_module
from types import ModuleType

from functions._failures import Reject
from infra.targets.guarded import Guarded
from infra.targets.opening import Opening, Parameters, parameters_of

TYPES = {
    "aws-iam": "infra.targets.aws_iam",
    "aws-secrets-manager": "infra.targets.aws_secrets_manager",
    "generated": "infra.targets.generated",
    "openbao-dynamic": "infra.targets.openbao_dynamic",
    "openbao-root": "infra.targets.openbao_root",
    "openbao-static": "infra.targets.openbao_static",
    "postgres": "infra.targets.postgres",
    "redis": "infra.targets.redis",
}


def module_of(type_name: str) -> ModuleType:
    """The module of a type (a TargetModule). Raises Reject for an unknown type."""
    place = TYPES.get(type_name)
    if place is None:
        raise Reject(f"spec.type {type_name!r} is unknown; known are {', '.join(sorted(TYPES))}")
    return import_module(place)


def parameters_model(type_name: str) -> type[Parameters]:
    """The model of a type's parameters. Raises Reject for an unknown type."""
    model: type[Parameters] = module_of(type_name).PARAMETERS
    return model


def open_target(opening: Opening) -> Guarded:
    """The system of a declared target. Raises Reject: an unknown type, wrong parameters."""
    module = module_of(opening.target.spec.type)
    parameters = parameters_of(opening.target, module.PARAMETERS)
    return Guarded(module.open_system(opening, parameters), opening.target)
