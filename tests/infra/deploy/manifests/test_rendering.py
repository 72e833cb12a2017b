"""What is rendered: it applies to a real API server, is what the repository keeps, and says what it should."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from events.catalogue import EVENTS
from events.cloudevent import CloudEvent
from events.event import Category, Event
from events.leak import LeakReported
from functions import NAMES, STEPS
from functions._step import Step
from infra.broker.admission import Admission
from infra.broker.errors import RefusedError
from infra.broker.principal import Principal
from infra.broker.routes import Routes
from infra.broker.trigger import parse_documents
from infra.deploy.manifests import ticks
from infra.deploy.manifests.broker import KINDS
from infra.deploy.manifests.installation import (
    BROKER_KINDS,
    TARGETS,
    BrokerKind,
    Installation,
    InstallationError,
    Target,
)
from infra.deploy.manifests.monitoring import ALERTS
from infra.hosts import rendered_manifests
from infra.hosts.admitting import admission
from infra.hosts.metrics import METRICS
from infra.hosts.watch import audited_from
from infra.kubernetes.settings import IN_CLUSTER, SERVICE_ACCOUNT
from infra.testbed import crds
from infra.testbed.cluster import Cluster
from infra.testbed.failures import ApiError
from tests.infra.broker.kit import Scripted
from tests.infra.deploy.manifests import kit
from tests.infra.deploy.manifests.kit import Document

ROOT = Path(__file__).parents[4]
PODS = "/api/v1/namespaces/lockstep/pods"
GROUPS = ("eventing.knative.dev", "sources.knative.dev", "serving.knative.dev", "monitoring.coreos.com")
RENDERINGS = [("knative", kind) for kind in BROKER_KINDS] + [("kubernetes", "Kafka")]


def rendered(target: Target = "knative", broker: BrokerKind = "Kafka", **choices: Any) -> list[Document]:
    installation = Installation(target=target, broker=broker, **choices)
    return kit.documents(kit.files(rendered_manifests.example(), installation))


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    return [one for one in documents if one["kind"] in kinds]


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Every pod template with the name of what it belongs to."""
    for one in documents:
        template = one.get("spec", {}).get("template") if isinstance(one.get("spec"), dict) else None
        if template is not None:
            yield one["metadata"]["name"], template


# --- on a real API server ---


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Cluster:
    """The cluster with the projects' own kinds. Their conversion needs their webhooks, which do not run here."""
    try:
        definitions = crds.find(GROUPS)
    except crds.NoDefinitionsError as missing:
        if os.environ.get("LOCKSTEP_REQUIRE_ALL") == "1":
            pytest.fail(str(missing), pytrace=False)
        pytest.skip("no custom resource definitions: run `make testbed`")
    cluster.install({**one, "spec": {**one["spec"], "conversion": {"strategy": "None"}}} for one in definitions)
    for namespace in ("platform-data", "temporal", "backstage", "shop"):
        kit.ensure_namespace(cluster, namespace)
    return cluster


@pytest.mark.e2e
@pytest.mark.parametrize(("target", "broker"), RENDERINGS)
def test_it_applies_to_a_real_api_server(installed: Cluster, target: Target, broker: BrokerKind) -> None:
    """Server-side, with strict validation: an unknown field, or one of another type, is an error."""
    # RabbitMQ's own configuration kind is not published as a module that could be fetched: it is held against its
    # definition where that is at hand (LOCKSTEP_TESTBED_CRDS).
    known = {one["spec"]["names"]["kind"] for one in crds.find(GROUPS)}
    absent = {"RabbitmqBrokerConfig"} - known
    documents = [one for one in rendered(target, broker) if one["kind"] not in absent]
    kit.apply(installed, of_kind(documents, "Namespace"))
    kit.apply(installed, documents, dry=True)  # who is permitted what is another test's, in the same cluster


@pytest.mark.e2e
def test_strict_validation_is_what_finds_mistakes(installed: Cluster) -> None:
    deployment = next(one for one in rendered("kubernetes") if one["kind"] == "Deployment")
    for path in (("spec", "template", "spec", "serviceAcountName"), ("spec", "tempalte")):
        wrong = yaml.safe_load(yaml.safe_dump(deployment))
        place = wrong
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = 1
        with pytest.raises(AssertionError, match=r"unknown field|field not declared"):
            kit.apply(installed, [wrong])


@pytest.mark.e2e
@pytest.mark.parametrize("target", TARGETS)
def test_its_pods_are_restricted(installed: Cluster, target: Target) -> None:
    """The admission of pods says so, in the rendered namespace itself."""
    documents = rendered(target)
    kit.apply(installed, of_kind(documents, "Namespace", "ServiceAccount"))
    count = 0
    for name, template in pods(documents):
        installed.admin.call("POST", PODS, as_pod(name, template["spec"]), query={"dryRun": "All"})
        count += 1
    assert count == len(NAMES) + (2 if target == "knative" else 0)
    loose = {"metadata": {"generateName": "loose-"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    with pytest.raises(ApiError, match="restricted"):
        installed.admin.call("POST", PODS, loose, query={"dryRun": "All"})


def as_pod(name: str, template: Document) -> Document:
    """The pod that a template makes: with what Knative, or a StatefulSet's claims, fill in."""
    spec: Document = json.loads(json.dumps(template))
    for field in ("containerConcurrency", "timeoutSeconds"):
        spec.pop(field, None)
    for one in spec["containers"]:
        for probe in {"livenessProbe", "readinessProbe"} & one.keys():
            one[probe]["httpGet"].setdefault("port", 8080)
    spec["volumes"] += [{"name": volume, "emptyDir": {}} for volume in missing(spec)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": f"{name}-"}, "spec": spec}


def missing(spec: Document) -> list[str]:
    """Volumes of a StatefulSet's claim templates, which a pod of its own would lack."""
    mounted = {mount["name"] for one in spec["containers"] for mount in one["volumeMounts"]}
    return sorted(mounted - {volume["name"] for volume in spec["volumes"]})


# --- what the repository keeps ---


def test_the_repository_keeps_exactly_this() -> None:
    files = rendered_manifests.render()
    kept = {str(path.relative_to(ROOT)) for path in (ROOT / rendered_manifests.FOLDER).rglob("*") if path.is_file()}
    assert kept == set(files), "stale or missing files: remove what is not rendered, run `make generate`"
    for name, text in files.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run `make generate`"


@pytest.mark.parametrize("target", TARGETS)
def test_names_are_unique_and_namespaces_given(target: Target) -> None:
    documents = rendered(target)
    counted = Counter(kit.path_of(one) for one in documents)
    assert max(counted.values()) == 1
    cluster_wide = {one["kind"] for one in documents if "namespace" not in one["metadata"]}
    assert cluster_wide == {"CustomResourceDefinition", "Namespace", "ClusterRole", "ClusterRoleBinding"}


# --- identities ---


@pytest.mark.parametrize("target", TARGETS)
def test_every_pod_has_its_own_account_and_only_the_tokens_that_it_needs(target: Target) -> None:
    seen = {}
    for name, template in pods(rendered(target)):
        spec = template["spec"]
        assert spec["serviceAccountName"] == name
        assert spec["automountServiceAccountToken"] is False
        projected = [source for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())]
        tokens = [source["serviceAccountToken"] for source in projected if "serviceAccountToken" in source]
        assert all(token["expirationSeconds"] <= 3600 for token in tokens)
        seen[name] = sorted(token.get("audience", "cluster") for token in tokens)
    both, expected = ["cluster", "openbao"], {name: ["cluster", "openbao"] for name in NAMES}
    if target == "knative":
        assert seen == expected | {"record": ["openbao"], "watch": ["cluster"], "alertmanager": []}
    else:
        del expected["record"]
        assert seen == expected | {"broker": both}


@pytest.mark.parametrize("target", TARGETS)
def test_clients_find_the_cluster_as_in_every_pod(target: Target) -> None:
    """Token, authority and namespace in the one place where they are looked for, and the word that asks for them."""
    for _, template in pods(rendered(target)):
        (one,) = template["spec"]["containers"]
        projected = [volume for volume in template["spec"]["volumes"] if volume["name"] == "cluster"]
        told = {variable["name"]: variable["value"] for variable in one["env"]}
        assert bool(projected) == (told.get("LOCKSTEP_CONTEXT") == IN_CLUSTER)
        for volume in projected:
            sources = [item for source in volume["projected"]["sources"] for item in source.values()]
            paths = {item.get("path") or item["items"][0]["path"] for item in sources}
            assert paths == {"token", "ca.crt", "namespace"}
            (mount,) = [mount for mount in one["volumeMounts"] if mount["name"] == "cluster"]
            assert mount["mountPath"] == str(SERVICE_ACCOUNT)


@pytest.mark.parametrize("target", TARGETS)
def test_all_run_one_image_by_digest(target: Target) -> None:
    images = {one["image"] for _, template in pods(rendered(target)) for one in template["spec"]["containers"]}
    assert len(images) == 1
    assert "@sha256:" in images.pop()


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"image": "lockstep:latest"}, "no digest"),
        ({"authority": "http://openbao:8200"}, "not https"),
        ({"authority": "https://openbao/path"}, "not https"),
        ({"replicas": 0}, "at least one"),
    ],
)
def test_choices_that_cannot_be_meant_are_refused(choices: dict[str, Any], says: str) -> None:
    with pytest.raises(InstallationError, match=says):
        Installation(**choices)


# --- events ---


def cloud_event(type_: str, source: str = "/x") -> CloudEvent:
    return CloudEvent(id="1", source=source, type=type_, subject="s/1", data=b"{}")


def routed(event: CloudEvent) -> set[str]:
    triggers = [one for one in of_kind(rendered(), "Trigger") if one["metadata"]["name"] in NAMES]
    for one in triggers:
        del one["spec"]["delivery"]  # the embedded broker has its own, and no paths below a reference
    routes = Routes(parse_documents(triggers), {name: Scripted() for name in NAMES})
    return set(routes.matching(event))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_an_event_reaches_the_steps_that_consume_it_and_the_ledger(event: type[Event]) -> None:
    assert routed(cloud_event(event.TYPE)) == {step.name for step in STEPS if event in step.consumes} | {"record"}


@pytest.mark.parametrize("ticking", ticks.schedules(500), ids=lambda each: each.name)
def test_a_tick_reaches_the_steps_of_its_schedule(ticking: ticks.Ticking) -> None:
    found = routed(cloud_event(ticks.PING, ticks.ping_source(ticking)))
    if ticking.name in {"sweep-1", "sweep-2"}:
        assert found == {"record"}, "the example has one shard"
    else:
        assert found == {*ticks.HEARD_BY[ticking.schedule], "record"}
    assert routed(cloud_event(ticks.PING, "/apis/v1/namespaces/other/pingsources/sweep-0")) == {"record"}


def test_shards_tick_evenly_and_cover_the_wiring() -> None:
    sweeps = [each for each in ticks.schedules(1000) if each.schedule == "sweep"]
    assert [(each.shard, each.shards) for each in sweeps] == [(shard, 5) for shard in range(5)]
    assert [each.cron.split()[0] for each in sweeps] == ["0-59/10", "2-59/10", "4-59/10", "6-59/10", "8-59/10"]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_who_may_send_what_is_the_ingresss_own_table(step: Step) -> None:
    """EventPolicies and the embedded ingress admit the same types of a step."""
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(), "EventPolicy")}
    allowed = {one["exact"]["type"] for one in policies.get(f"step-{step.name}", {}).get("filters", ())}
    table = admission()
    assert allowed == {event.TYPE for event in EVENTS if may(table, step, event.TYPE)}
    froms = policies.get(f"step-{step.name}", {}).get("from", ())
    senders = {(one["ref"]["kind"], one["ref"]["name"]) for one in froms}
    assert senders == ({("Trigger", step.name), ("SinkBinding", step.name)} if step.emits else set())


def may(table: Admission, step: Step, type_: str) -> bool:
    try:
        table.check(Principal("step", step.name), cloud_event(type_), 0.0)
    except RefusedError as refused:
        return "expires" in str(refused)  # who may say it is one question, and when it expires another
    return True


def test_sources_say_no_facts_and_operators_only_orders() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(), "EventPolicy")}
    facts = {event.TYPE for event in EVENTS if event.CATEGORY is Category.FACT}
    told = {one["exact"]["type"] for one in policies["watch"]["filters"]}
    assert not told & {event.TYPE for step in STEPS for event in step.emits} & facts
    ordered = {one["exact"]["type"] for one in policies["operators"]["filters"]}
    assert ordered == {event.TYPE for event in EVENTS if event.CATEGORY is Category.ORDER}
    assert all(policy["to"] == [{"ref": ticks.BROKER_REF}] for policy in policies.values())
    assert all(policy["filters"] and policy["from"] for policy in policies.values())


@pytest.mark.parametrize("kind", BROKER_KINDS)
def test_each_kind_of_broker_asks_for_its_order(kind: BrokerKind) -> None:
    documents = rendered(broker=kind)
    (broker,) = of_kind(documents, "Broker")
    assert broker["metadata"]["annotations"] == {"eventing.knative.dev/broker.class": KINDS[kind].broker_class}
    for trigger in of_kind(documents, "Trigger"):
        if trigger["metadata"]["name"] in NAMES:
            assert trigger["metadata"].get("annotations", {}) == KINDS[kind].ordered


def test_what_is_given_up_is_written_down() -> None:
    for trigger in of_kind(rendered(), "Trigger", "Broker"):
        sink = trigger["spec"].get("delivery", {}).get("deadLetterSink")
        if trigger["metadata"]["name"] not in {"record", "publish-references"}:
            assert sink["ref"]["name"] == "record"


def test_knatives_own_source_never_sees_values() -> None:
    (source,) = of_kind(rendered(), "ApiServerSource")
    assert source["spec"]["mode"] == "Reference"


# --- Alertmanager ---


def named(documents: list[Document], kind: str, name: str) -> Document:
    (found,) = [one for one in of_kind(documents, kind) if one["metadata"]["name"] == name]
    return found


def test_the_webhook_is_taken_by_who_may_do_nothing_else() -> None:
    documents = rendered()
    pod = dict(pods(documents))["alertmanager"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", "infra.hosts.receiving"]
    assert [volume["name"] for volume in pod["volumes"]] == ["settings"]  # no token of any kind, and no Secret
    granted = [one for one in of_kind(documents, "RoleBinding", "ClusterRoleBinding")
               if any(subject["name"] == "alertmanager" for subject in one["subjects"])]  # fmt: skip
    assert granted == []
    binding = named(documents, "SinkBinding", "alertmanager")["spec"]
    assert binding["sink"]["ref"]["kind"] == "Broker"
    assert (binding["subject"]["kind"], binding["subject"]["name"]) == ("Deployment", "alertmanager")


def test_it_may_tell_the_broker_of_leaks_alone_and_beside_it_only_operators_and_the_ledger_may() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(), "EventPolicy")}
    assert policies["alertmanager"]["filters"] == [{"exact": {"type": LeakReported.TYPE}}]
    assert [one["ref"]["name"] for one in policies["alertmanager"]["from"]] == ["alertmanager"]
    telling = {name for name, one in policies.items() if {"exact": {"type": LeakReported.TYPE}} in one["filters"]}
    assert telling == {"alertmanager", "operators", "record"}


def test_the_webhook_is_reached_by_who_runs_alertmanager_and_reaches_the_broker() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(), "NetworkPolicy")}
    (rule,) = policies["alerts"]["ingress"]
    assert policies["alerts"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "alertmanager"
    assert rule == {
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "ports": [{"protocol": "TCP", "port": 8080}],
    }
    for name, selected in (("events", True), ("api-server", False), ("authority", False), ("deliveries", False)):
        (expression,) = policies[name]["podSelector"]["matchExpressions"]
        assert ("alertmanager" in expression["values"]) is selected, name


@pytest.mark.parametrize(("target", "service"), [("knative", "alertmanager"), ("kubernetes", "broker")])
def test_alertmanager_is_told_as_the_shipped_receiver_is(target: Target, service: str) -> None:
    documents = rendered(target)
    spec = named(documents, "AlertmanagerConfig", "lockstep")["spec"]
    (webhook,) = spec["receivers"][0]["webhookConfigs"]
    assert webhook["url"] == f"http://{service}.lockstep.svc/alertmanager"
    (port,) = named(documents, "Service", service)["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, 8080)
    shipped = yaml.safe_load((ROOT / "infra" / "deploy" / "alertmanager" / "alertmanager.yml").read_text())
    (route,) = shipped["route"]["routes"]
    theirs = next(one for one in shipped["receivers"] if one["name"] == "lockstep")["webhook_configs"][0]
    assert (webhook["maxAlerts"], webhook["sendResolved"]) == (theirs["max_alerts"], theirs["send_resolved"])
    assert webhook["httpConfig"]["followRedirects"] == theirs["http_config"]["follow_redirects"]
    for ours, name in (("groupBy", "group_by"), ("groupWait", "group_wait"), ("groupInterval", "group_interval"),
                       ("repeatInterval", "repeat_interval"), ("continue", "continue")):  # fmt: skip
        assert spec["route"][ours] == route[name], name
    (matcher,) = spec["route"]["matchers"]
    assert [f'{matcher["name"]}{matcher["matchType"]}"{matcher["value"]}"'] == route["matchers"]
    authorization = webhook["httpConfig"]["authorization"]
    assert authorization == {"type": "Bearer", "credentials": {"name": "lockstep-alertmanager", "key": "token"}}
    assert of_kind(documents, "Secret") == []  # an operator makes it, and no pod of ours reads it
    readable = [rule for role in of_kind(documents, "Role", "ClusterRole") for rule in role["rules"]]
    assert not any("lockstep-alertmanager" in rule.get("resourceNames", ()) for rule in readable)


# --- network, replicas, alerts ---


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_flows_that_is_not_listed(target: Target) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(target), "NetworkPolicy")}
    denied = policies.pop("default-deny")
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for spec in policies.values():
        for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
            assert rule["ports"], "no flow without its ports"
        assert spec["podSelector"], "no flow for every pod of the namespace"
    reaching = {tuple(sorted(name for name in policies if "authority" in name))}
    assert reaching == {("authority",)}


@pytest.mark.parametrize(
    ("kind", "beside"), [("Kafka", False), ("InMemory", False), ("RabbitMQ", True), ("JetStream", True)]
)
def test_a_broker_that_runs_beside_us_is_let_through(kind: BrokerKind, beside: bool) -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(rendered(broker=kind), "NetworkPolicy")}
    assert ("broker-sends" in policies) == beside
    if beside:  # nobody else may send anywhere
        assert policies["broker-sends"]["podSelector"]["matchLabels"] == {"eventing.knative.dev/broker": "default"}


def test_the_authority_is_reached_where_it_is() -> None:
    inside = next(one for one in of_kind(rendered(), "NetworkPolicy") if one["metadata"]["name"] == "authority")
    assert inside["spec"]["egress"] == [
        {
            "ports": [{"protocol": "TCP", "port": 8200}],
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openbao"}}}],
        }
    ]
    outside = rendered(authority="https://vault.example.com")
    (found,) = [one for one in of_kind(outside, "NetworkPolicy") if one["metadata"]["name"] == "authority"]
    assert found["spec"]["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}]}]


@pytest.mark.parametrize(("target", "who"), [("knative", "watch"), ("kubernetes", "broker")])
def test_the_audit_socket_is_for_the_authoritys_pods_alone(target: Target, who: str) -> None:
    pods_of_it = (("app.kubernetes.io/name", "vault"), ("component", "server"))
    documents = rendered(target, authority=rendered_manifests.AUTHORITY, audit_port=9700, audit_pods=pods_of_it)
    (service,) = [one for one in of_kind(documents, "Service") if one["metadata"]["name"] == "audit"]
    selected = {"app.kubernetes.io/part-of": "lockstep", "app.kubernetes.io/name": who}
    assert service["spec"] == {"selector": selected, "ports": [{"name": "audit", "port": 9700, "targetPort": 9700}]}
    opening = [
        one["spec"] for one in of_kind(documents, "NetworkPolicy")
        if any(port["port"] == 9700 for rule in one["spec"].get("ingress", ()) for port in rule["ports"])
    ]  # fmt: skip
    authority = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "vault"}},
        "podSelector": {"matchLabels": dict(pods_of_it)},
    }
    ingress = [{"from": [authority], "ports": [{"protocol": "TCP", "port": 9700}]}]
    assert opening == [{"podSelector": {"matchLabels": selected}, "policyTypes": ["Ingress"], "ingress": ingress}]
    (template,) = [template for name, template in pods(documents) if name == who]
    assert template["metadata"]["labels"] == selected, "the pod that the Service and the policy mean"
    (container,) = template["spec"]["containers"]
    assert [port["containerPort"] for port in container["ports"]] == [8080, 9700]
    told = {one["name"]: one["value"] for one in container["env"]}
    audited = audited_from(told)
    assert (audited is not None) == (target == "knative"), "the embedded broker reads lockstep.yaml"
    if audited is not None:
        assert (audited.followed.socket, audited.plain) == ("0.0.0.0:9700", True)


@pytest.mark.parametrize("target", TARGETS)
def test_nobody_is_let_in_to_an_audit_socket_that_nobody_asked_for(target: Target) -> None:
    files = kit.files(rendered_manifests.example(), Installation(target=target))
    assert "21-audit.yaml" not in files
    assert "AUDIT_SOCKET" not in "".join(files.values())


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"authority": "https://vault.example.com"}, "outside the cluster"),
        ({"audit_port": 8080}, "which our pods serve at"),
        ({"audit_port": 80}, "1024 to 65535"),
        ({"audit_pods": ()}, "--audit-pods"),
    ],
)
def test_an_audit_socket_that_could_not_be_kept_to_the_authority(choices: Document, message: str) -> None:
    with pytest.raises(InstallationError, match=message):
        Installation(**{"audit_port": 9700, **choices})


@pytest.mark.e2e
@pytest.mark.parametrize("target", TARGETS)
def test_the_audit_socket_applies_to_a_real_api_server(installed: Cluster, target: Target) -> None:
    documents = rendered(target, audit_port=9700)
    kit.apply(installed, of_kind(documents, "Namespace"))
    kit.apply(installed, [one for one in documents if one["metadata"]["name"] in ("audit", "watch", "broker")])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("replicas", [1, 3])
def test_budgets_only_where_there_are_replicas(target: Target, replicas: int) -> None:
    budgets = {one["metadata"]["name"] for one in of_kind(rendered(target, replicas=replicas), "PodDisruptionBudget")}
    urgent = set(NAMES) - {"record"}  # which answers to the clock alone; a change or a leak waits for any other
    receiving = {"alertmanager"} if target == "knative" else set()
    assert budgets == (urgent | receiving if replicas > 1 else set())


def test_there_is_one_ledger_and_one_embedded_broker() -> None:
    (record,) = of_kind(rendered(), "StatefulSet")
    assert record["spec"]["replicas"] == 1
    (broker,) = [one for one in of_kind(rendered("kubernetes"), "Deployment") if one["metadata"]["name"] == "broker"]
    assert (broker["spec"]["replicas"], broker["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_alerts_speak_of_metrics_that_there_are() -> None:
    known = {metric.name for metric in METRICS}
    for alert in ALERTS:
        named = {word for word in alert.expression.replace("(", " ").replace(")", " ").split() if "lockstep_" in word}
        assert named <= known
        assert named
