"""What all manifests share: durations, identity, generation."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions._manifests.shape import parse_duration
from tests.functions.manifests.samples import push_body, push_secret


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h0m0s", 3600.0), ("90s", 90.0), ("1.5h", 5400.0), ("0", 0.0), ("0s", 0.0), ("250ms", 0.25), ("1m.5s", 60.5)],
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("wrong", ["", "1", "1d", "h", "1h 2m", "-1s", 3600, None, "1h!"])
def test_what_is_no_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(wrong)


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        assert parse_duration(text) >= 0
    except ValueError:
        return


def test_a_file_has_the_same_uid_every_time_and_a_cluster_its_own() -> None:
    assert push_secret().uid == push_secret(spec={"updatePolicy": "IfNotExists"}).uid
    assert push_secret().uid != push_secret(metadata={"name": "other", "namespace": "a"}).uid
    assert push_secret(metadata={"name": "x", "namespace": "a", "uid": "u-1"}).uid == "u-1"


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"status": {"refreshTime": "now"}}, True),
        ({"metadata": {"name": "temporal", "namespace": "platform-data", "resourceVersion": "7"}}, True),
        ({"spec": {"deletionPolicy": "None"}}, True),  # a default that is written out
        ({"spec": {"deletionPolicy": "Delete"}}, False),
        ({"metadata": {"name": "temporal", "namespace": "platform-data", "annotations": {"force-sync": "1"}}}, False),
    ],
)
def test_the_generation_follows_what_drives_a_manifest(changes: dict[str, Any], same: bool) -> None:
    assert (push_secret(**changes).generation == push_secret().generation) is same


def test_a_generation_fits_into_an_event() -> None:
    assert re.fullmatch(r"[-A-Za-z0-9._]{1,128}", push_secret().generation)


def test_models_read_what_they_write() -> None:
    push = push_secret(spec={"refreshInterval": "1h0m0s"})
    again = type(push).model_validate(push.model_dump(by_alias=True))
    assert again == push
    assert push_body()["spec"]["selector"] == {"secret": {"name": "temporal.credentials"}}
