"""Custom resource definitions as their projects publish them: found, installed unchanged, and waited for.

None are kept here. External Secrets Operator's are generated from its own types by `make testbed` (see generating).
Whoever wants the kinds of another project, or another release, points LOCKSTEP_TESTBED_CRDS at its files (directories
or files, separated as in PATH), or puts them into `crds/` in the cache. Without them, definitions that take anything
stand in for the other kinds that we know (see open_definitions).
"""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from infra.testbed import binaries, generating, open_definitions
from infra.testbed.api import Api, Object
from infra.testbed.failures import ApiError, ClusterError, TestbedError

VARIABLE = "LOCKSTEP_TESTBED_CRDS"
_COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_MANAGER = "lockstep-testbed"
_PATIENCE = 30.0  # seconds; usual are 0.1 a definition
_POLL = 0.05
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # definitions are large, and libyaml reads them in a tenth


class NoDefinitionsError(TestbedError):
    """The definitions of a project are not on this machine."""


def find(groups: Iterable[str], environ: Mapping[str, str] | None = None) -> tuple[Object, ...]:
    """The definitions of these API groups, their projects' own where they are here.

    Raises NoDefinitionsError for a group that is not known at all.
    """
    environ = os.environ if environ is None else environ
    given = [Path(place) for place in environ.get(VARIABLE, "").split(os.pathsep) if place]
    known = load([*given, binaries.cache(environ) / "crds"])
    found: list[Object] = []
    for group in groups:
        of_group = [definition for definition in known if definition["spec"]["group"] == group]
        if not of_group and group == generating.GROUP:
            of_group = list(load([generating.folder(environ)]))
        of_group = of_group or list(open_definitions.of_group(group))
        if not of_group:
            raise NoDefinitionsError(
                f"no definitions of {group} on this machine: run `make testbed`, or put the project's own files, "
                f"unchanged, into a directory and name it in {VARIABLE}"
            )
        found.extend(of_group)
    return tuple(found)


def load(places: Iterable[Path]) -> tuple[Object, ...]:
    """Every definition in these files and directories, each name once: the first place wins."""
    found: dict[str, Object] = {}
    for place in places:
        files = sorted(place.rglob("*.yaml")) if place.is_dir() else [place] if place.exists() else []
        for file in files:
            for document in yaml.load_all(file.read_text(), Loader=_LOADER):
                if isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition":
                    found.setdefault(document["metadata"]["name"], document)
    return tuple(found.values())


def install(api: Api, definitions: Iterable[Object]) -> None:
    """Install and wait until each is served. Raises ClusterError, with the reason, when one is not."""
    wanted = tuple(definitions)
    for definition in wanted:
        api.apply(_path(definition), definition, _MANAGER)
    end = time.monotonic() + _PATIENCE
    for definition in wanted:
        while not _served(api, definition):
            if time.monotonic() > end:
                raise ClusterError(f"the API server does not serve {_name(definition)}: {_reason(api, definition)}")
            time.sleep(_POLL)


def _name(definition: Object) -> str:
    return str(definition["metadata"]["name"])


def _path(definition: Object) -> str:
    return f"{_COLLECTION}/{_name(definition)}"


def _served(api: Api, definition: Object) -> bool:
    """Whether its resources can be listed, as stored: other versions may need a webhook that nobody runs here."""
    spec = definition["spec"]
    version = next(one["name"] for one in spec["versions"] if one["storage"])
    try:
        api.get(f"/apis/{spec['group']}/{version}/{spec['names']['plural']}", limit="1")
    except ApiError as failure:
        if failure.status == 404:
            return False
        raise
    return True


def _reason(api: Api, definition: Object) -> str:
    """What the API server says about a definition that it does not serve."""
    status = api.get(_path(definition)).get("status", {})
    refusals = [str(one.get("message")) for one in status.get("conditions", ()) if one.get("status") != "True"]
    return "; ".join(refusals) or "it says nothing about it yet"
