"""Who asks to be restarted for which Secret: our annotation, and Stakater Reloader's as Reloader reads them."""

import pytest

from functions._marks import RESTART
from functions._opting import asks, may_want, named, wanted_uses
from functions._ports import Settings
from functions._workloads import Use, Workload
from tests.fakes.workloads import rolled_out, workload_ref

ENV, VOLUME = frozenset({Use.ENVIRONMENT}), frozenset({Use.VOLUME})
NAMED, NONE = frozenset({Use.NAMED}), frozenset[Use]()
AUTO, SECRET_AUTO = "reloader.stakater.com/auto", "secret.reloader.stakater.com/auto"
RELOAD, SEARCH = "secret.reloader.stakater.com/reload", "reloader.stakater.com/search"
MATCH, IGNORE = "reloader.stakater.com/match", "reloader.stakater.com/ignore"
EXCLUDE = "secrets.exclude.reloader.stakater.com/reload"
SETTINGS = Settings()


def workload(annotations: dict[str, str], template: dict[str, str] | None = None) -> Workload:
    return Workload(
        ref=workload_ref("team/app"), uid="u", state="u/1", generation=1, uses={"db": ENV, "files": VOLUME},
        status=rolled_out(1, 1), annotations=annotations, template_annotations=template or {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("annotations", "secret", "theirs", "uses"),
    [
        ({}, "db", {}, NONE),
        ({RESTART: "true"}, "db", {}, ENV),
        ({RESTART: "true"}, "files", {}, VOLUME),
        ({RESTART: "true"}, "unused", {}, NONE),
        ({RESTART: "when-needed"}, "db", {}, ENV),
        ({RESTART: "when-needed"}, "files", {}, NONE),
        ({RESTART: "false", AUTO: "true"}, "db", {}, NONE),
        ({RESTART: "nonsense", AUTO: "true"}, "db", {}, NONE),
        ({AUTO: "true"}, "db", {}, ENV),
        ({AUTO: "true"}, "unused", {}, NONE),
        ({AUTO: "false"}, "db", {}, NONE),
        ({SECRET_AUTO: "true"}, "files", {}, VOLUME),
        ({AUTO: "true"}, "db", {IGNORE: "true"}, NONE),
        ({AUTO: "true", EXCLUDE: "other, db"}, "db", {}, NONE),
        ({RELOAD: "other,db"}, "db", {}, ENV),
        ({RELOAD: "d.*"}, "db", {}, ENV),
        ({RELOAD: "b"}, "db", {}, NONE),
        ({RELOAD: "unused"}, "unused", {}, NAMED),
        ({RELOAD: "[, db"}, "db", {}, ENV),
        ({RELOAD: "db", EXCLUDE: "db"}, "db", {}, NONE),
        ({SEARCH: "true"}, "db", {}, NONE),
        ({SEARCH: "true"}, "db", {MATCH: "true"}, ENV),
        ({SEARCH: "false"}, "db", {MATCH: "true"}, NONE),
        ({SEARCH: "true", AUTO: "true"}, "db", {}, ENV),
    ],
)
def test_wanted_uses(annotations: dict[str, str], secret: str, theirs: dict[str, str], uses: frozenset[Use]) -> None:
    one = workload(annotations)
    assert wanted_uses(one, secret, theirs, SETTINGS) == uses
    if uses:
        assert asks(one, SETTINGS)
        assert may_want(one, secret, SETTINGS)


def test_the_pod_template_counts_where_the_workload_says_nothing() -> None:
    assert wanted_uses(workload({}, {AUTO: "true"}), "db", {}, SETTINGS) == ENV
    assert wanted_uses(workload({AUTO: "false"}, {AUTO: "true"}), "db", {}, SETTINGS) == NONE
    assert wanted_uses(workload({}, {RESTART: "true"}), "db", {}, SETTINGS) == NONE


def test_reloaders_annotations_can_be_left_to_reloader() -> None:
    alone = Settings(restart_for_reloader=False)
    assert wanted_uses(workload({AUTO: "true"}), "db", {}, alone) == NONE
    assert not asks(workload({AUTO: "true"}), alone)
    assert wanted_uses(workload({RESTART: "true"}), "db", {}, alone) == ENV


def test_names_are_told_from_patterns() -> None:
    assert named(workload({RELOAD: "a-b.c, d.*, ,e"}), SETTINGS) == ("a-b.c", "e")
    assert named(workload({RELOAD: "a", RESTART: "true"}), SETTINGS) == ()
