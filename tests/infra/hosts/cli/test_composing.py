from datetime import UTC, datetime, timedelta

import pytest

from events.event import Category, Event
from events.examples import EXAMPLES
from events.orders import PublishRequested
from events.references import PathRef, SecretRef
from events.schedule import ScheduleTicked
from events.secret import SecretChanged
from infra.hosts.cli.composing import ComposeError, compose, model_named

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
EXPIRES = NOW + timedelta(minutes=15)


def test_a_subject_suffices_for_a_hint() -> None:
    event = compose(SecretChanged, {}, "namespaces/data/secrets/pg", now=NOW, expires=EXPIRES)
    assert event == SecretChanged(secret=SecretRef(namespace="data", name="pg"))


def test_an_order_gets_an_expiry_and_a_reason() -> None:
    event = compose(PublishRequested, {"reason": "why"}, "paths/secret/a/b", now=NOW, expires=EXPIRES)
    assert event == PublishRequested(path=PathRef(mount="secret", path="a/b"), expires=EXPIRES, reason="why")


def test_a_tick_gets_its_time_and_shard() -> None:
    event = compose(ScheduleTicked, {"shards": 4}, "schedules/sweep/3", now=NOW, expires=EXPIRES)
    assert isinstance(event, ScheduleTicked)
    assert (event.schedule.name, event.shard, event.shards, event.at) == ("sweep", 3, 4, NOW)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_every_example_of_the_catalogue_is_composed_of_its_own_data(example: Event) -> None:
    data = example.model_dump(mode="json")
    subject = example.about.subject if example.CATEGORY is not Category.FACT else None
    assert compose(type(example), data, subject, now=NOW, expires=EXPIRES) == example


@pytest.mark.parametrize("name", ["secret.changed", "dev.lockstep.secret.changed"])
def test_the_common_prefix_may_be_left_out(name: str) -> None:
    assert model_named(name) is SecretChanged


def test_an_unknown_type_names_the_nearest() -> None:
    with pytest.raises(ComposeError, match=r"did you mean secret\.changed"):
        model_named("secret.chnged")
    with pytest.raises(ComposeError, match=r"there are wiring\.changed"):
        model_named("zzzzzz")


@pytest.mark.parametrize(
    ("subject", "data", "says"),
    [
        ("nonsense/x", {}, "names nothing known"),
        ("paths/secret/a", {}, "is about namespaces/"),
        ("namespaces/data/pg", {}, "is not namespaces/<namespace>/secrets/<name>"),
        ("namespaces/Data/secrets/pg", {}, "is not a Kubernetes name"),
        ("namespaces/data/secrets/pg", {"secret": {"namespace": "other", "name": "pg"}}, "leave one of them out"),
        ("namespaces/data/secrets/pg", {"value": "canary"}, r"\?: Extra inputs"),
        (None, {}, "secret: Field required"),
        (None, {"secret": "text"}, "secret: "),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(subject: str | None, data: dict[str, object], says: str) -> None:
    with pytest.raises(ComposeError, match=says) as caught:
        compose(SecretChanged, data, subject, now=NOW, expires=EXPIRES)
    assert "canary" not in str(caught.value)
