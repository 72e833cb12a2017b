"""Every row of the decision table (seed 001, 5a.4.2), and that what is offered lints clean."""

from dataclasses import replace
from typing import Any

import pytest

from infra.wiring.decide import DecideError, Request, decide
from infra.wiring.lint import fails, lint_contents

BASE = Request(
    producer_namespace="platform-data",
    consumer_namespaces=("temporal",),
    datasource="postgres",
    source_secret="temporal.platform-postgres.credentials.postgresql.acid.zalan.do",
    keys=("username", "password"),
)


@pytest.mark.parametrize(
    ("changes", "use", "paragraph", "alternative"),
    [
        ({"consumer_namespaces": ("platform-data",)}, "no", "same namespace", "Kubernetes Secret directly"),
        ({"consumer_namespaces": ()}, "no", "same namespace", "Kubernetes Secret directly"),
        ({}, "yes", "single cross-namespace", ""),
        ({"consumer_namespaces": ("temporal", "backstage")}, "yes", "multiple cross-namespace", ""),
        ({"origin": "external"}, "no", "external or third-party", "Section 5.3"),
        ({"origin": "cloud"}, "no", "cloud providers", "Cloud provider"),
        ({"origin": "human"}, "no", "human-created", "Encrypted Git"),
        ({"phase": "bootstrap"}, "no", "bootstrap-phase", "Section 5.2"),
        ({"kind": "configuration"}, "yes", "dynamic endpoint", ""),
        ({"kind": "configuration", "dynamic": False}, "optional", "static configuration", "ConfigMap replication"),
        ({"kind": "configuration", "phase": "bootstrap"}, "no", "bootstrap-phase", "Section 5.2"),
        ({"phase": "bootstrap", "origin": "human"}, "no", "bootstrap-phase", "Section 5.2"),
    ],
)
def test_rows(changes: dict[str, Any], use: str, paragraph: str, alternative: str) -> None:
    wanted = {"keys": ("host", "port"), "instance": "platform-postgres"} if "kind" in changes else {}
    decision = decide(replace(BASE, **{**wanted, **changes}))
    assert decision.use == use
    assert paragraph in decision.paragraph
    assert alternative in decision.alternative
    assert decision.reason
    assert bool(decision.manifests) == (use != "no")


@pytest.mark.parametrize(
    "request_",
    [
        BASE,
        replace(BASE, consumer_namespaces=("temporal", "platform-data", "backstage", "temporal"), consumer="temporal"),
        replace(BASE, kind="configuration", instance="platform-postgres", keys=("HOST=host", "PORT=port")),
        replace(BASE, kind="configuration", dynamic=False, source_secret="pooler", keys=("host",)),
    ],
)
def test_what_is_offered_lints_clean(request_: Request) -> None:
    decision = decide(request_)
    findings = lint_contents({"offer.yaml": "---\n".join(decision.manifests).encode()})
    assert not fails(findings), findings
    kinds = [text.split("kind: ")[1].split("\n")[0] for text in decision.manifests]
    consumers = len(set(request_.consumer_namespaces) - {request_.producer_namespace})
    assert kinds == ["PushSecret", *["ExternalSecret"] * consumers, "ClusterSecretStore"]


def test_consumers_at_home_are_told_to_use_the_secret_itself() -> None:
    decision = decide(replace(BASE, consumer_namespaces=("temporal", "platform-data")))
    assert "refer to the source Secret directly" in decision.reason


def test_flags_that_are_missing_are_named() -> None:
    decision = decide(Request(producer_namespace="a", consumer_namespaces=("b",)))
    assert decision.use == "yes"
    assert decision.missing == ("datasource", "source_secret", "keys")
    assert decision.manifests == ()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"consumer": "temporal-prod"}, "environment"),
        ({"datasource": "Postgres"}, "lowercase"),
        ({"keys": ("PGPASSWORD",)}, "'password'"),
        ({"keys": ("a=token", "b=token")}, "two keys"),
        ({"keys": ("=token",)}, "empty"),
        ({"producer_namespace": "No_Name"}, "namespace"),
        ({"source_secret": "Bad_Name"}, "name"),
    ],
)
def test_names_that_break_a_rule_are_refused(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(DecideError, match=part):
        decide(replace(BASE, **changes))
