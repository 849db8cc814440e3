from __future__ import annotations

import textwrap

import pytest

from bascule.audit import yaml_reader
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.kubernetes import READER
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import Manifest, manifests
from bascule.audit.kubernetes.policies import egress, ingress
from bascule.audit.kubernetes.probes import probe
from bascule.audit.kubernetes.scaling import Replicas
from bascule.audit.kubernetes.services import carriers
from bascule.audit.kubernetes.spread import apart, fullest_zone, only_zone
from bascule.audit.kubernetes.updates import Rolling, rolling
from bascule.audit.kubernetes.workloads import Workload


def estate(text: str) -> Estate:
    text = textwrap.dedent(text)
    made = Estate()
    documents, unreadable = yaml_reader.read(SourceFile("one.yaml", text, yaml_reader.lines_of(text)))
    assert not unreadable
    assert READER.read_yaml is not None
    for document in documents:
        made.documents.append(document)
        found = READER.read_yaml(document)
        if found is not None:
            made.add(found)
    return made


def known(text: str) -> Cluster:
    return estate(text).index(cluster)


def read(text: str) -> list[Manifest]:
    return list(manifests(estate(text)))


def deployment(name: str = "web", *, replicas: str = "replicas: 4", spec: str = "", pod: str = "") -> str:
    return f"""\
kind: Deployment
apiVersion: apps/v1
metadata: {{name: {name}}}
spec:
  {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  {spec}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      {pod}
      containers:
        - {{name: {name}, image: "{name}:1", ports: [{{name: http, containerPort: 8080}}]}}
"""


def autoscaler(written: str = "minReplicas: 2, maxReplicas: 8", *, name: str = "web") -> str:
    return f"""\
kind: HorizontalPodAutoscaler
apiVersion: autoscaling/v2
metadata: {{name: {name}}}
spec: {{scaleTargetRef: {{kind: Deployment, name: web}}, {written}}}
"""


def budget(written: str, *, name: str = "web") -> str:
    return f"""\
kind: PodDisruptionBudget
apiVersion: policy/v1
metadata: {{name: {name}}}
spec: {{selector: {{matchLabels: {{app: web}}}}, {written}}}
"""


def only(text: str) -> Workload:
    (one,) = known(text).workloads
    return one


def test_a_list_is_the_objects_in_it() -> None:
    found = read(
        """
        kind: List
        apiVersion: v1
        items:
          - {kind: Service, apiVersion: v1, metadata: {name: a, namespace: shop}}
          - {kind: Namespace, apiVersion: v1, metadata: {name: shop}}
          - {no: object}
          - 7
        """
    )
    assert [one.subject for one in found] == ["Service shop/a", "Namespace shop"]


def test_what_is_no_object_of_kubernetes_is_of_others() -> None:
    assert read("services: {web: {image: web}}") == []
    assert read("kind: Deployment") == []
    assert read("[1, 2]") == []
    assert read("{kind: PrometheusRule, apiVersion: monitoring.coreos.com/v1, metadata: {name: alerts}}") == []


def test_kinds_of_other_groups_are_not_those_of_kubernetes() -> None:
    (service,) = read("{kind: Service, apiVersion: serving.knative.dev/v1, metadata: {name: web}}")
    assert service.kind == "Service.serving.knative.dev"
    assert service.subject == "Service default/web"


def test_a_place_is_that_of_the_value_or_of_the_nearest_thing_above_it() -> None:
    (one,) = read("kind: Service\napiVersion: v1\nmetadata:\n  name: web\nspec:\n  ports:\n    - port: 80\n")
    assert (one.place("metadata", "name").line, one.place("metadata", "name").column) == (4, 9)
    assert one.place("spec", "ports").line == 6
    assert one.place("spec", "ports", 0, "port").line == 7
    assert one.place("spec", "selector", "app").line == 5
    assert one.place("status").line == 1


def test_a_patch_of_a_workload_is_no_workload() -> None:
    patch = """
        kind: Deployment
        apiVersion: apps/v1
        metadata: {name: web}
        spec: {replicas: 1, template: {spec: {containers: [{name: web, resources: {}}]}}}
    """
    assert known(patch).workloads == []


def test_sidecars_run_with_the_pod_and_other_init_containers_before_it() -> None:
    pod = 'initContainers: [{name: migrate, image: "m:1"}, {name: proxy, image: "p:1", restartPolicy: Always}]'
    one = only(deployment(pod=pod))
    assert [container.name for container in one.containers] == ["web", "proxy"]
    assert [container.name for container in one.initial] == ["migrate"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (deployment(), Replicas(4, 4)),
        (deployment(replicas=""), Replicas(1, 1)),
        (deployment(replicas="replicas: null"), Replicas(1, 1)),
        (deployment(replicas="replicas: $(COUNT)"), None),
        (deployment() + "---\n" + autoscaler(), Replicas(2, 8)),
        (deployment() + "---\n" + autoscaler("maxReplicas: 8"), Replicas(1, 8)),
        (deployment() + "---\n" + autoscaler("minReplicas: 5, maxReplicas: 3"), Replicas(5, 5)),
        (deployment().replace("kind: Deployment", "kind: DaemonSet"), None),
    ],
)
def test_replicas_are_those_of_the_autoscaler_where_there_is_one(text: str, expected: Replicas | None) -> None:
    found = known(text)
    assert found.replicas(found.workloads[0]) == expected


def test_nobody_can_tell_the_replicas_of_what_is_scaled_by_events() -> None:
    scaled = """\
kind: ScaledObject
apiVersion: keda.sh/v1alpha1
metadata: {name: web}
spec: {scaleTargetRef: {name: web}, minReplicaCount: 1}
"""
    found = known(deployment() + "---\n" + scaled)
    assert found.replicas(found.workloads[0]) is None


def test_it_is_known_where_the_number_of_replicas_is_written() -> None:
    fixed = known(deployment())
    assert fixed.replicas_place(fixed.workloads[0]).line == 5
    scaled = known(autoscaler() + "---\n" + deployment(replicas=""))
    assert scaled.replicas_place(scaled.workloads[0]).line == 4
    unsaid = known(deployment(replicas=""))
    assert unsaid.replicas_place(unsaid.workloads[0]).line == 3


@pytest.mark.parametrize(
    ("written", "replicas", "evictable"),
    [
        ("maxUnavailable: 1", 3, 1),
        ("maxUnavailable: 0", 3, 0),
        ("maxUnavailable: 0%", 3, 0),
        ("maxUnavailable: 1%", 3, 1),
        ("maxUnavailable: 51%", 2, 2),
        ("maxUnavailable: 9", 3, 3),
        ("minAvailable: 2", 3, 1),
        ("minAvailable: 3", 3, 0),
        ("minAvailable: 5", 3, 0),
        ("minAvailable: 50%", 7, 3),
        ("minAvailable: 100%", 3, 0),
        ("minAvailable: 0", 3, 3),
        ("unhealthyPodEvictionPolicy: AlwaysAllow", 3, None),
    ],
)
def test_a_budget_rounds_up_in_both_directions(written: str, replicas: int, evictable: int | None) -> None:
    (one,) = known(budget(written)).budgets
    assert one.evictable(replicas) == evictable


@pytest.mark.parametrize(
    ("written", "replicas", "expected"),
    [
        ("", 4, Rolling(1, 1)),
        ("", 3, Rolling(0, 1)),
        ("", 10, Rolling(2, 3)),
        ("strategy: {rollingUpdate: {maxUnavailable: 50%, maxSurge: 0}}", 3, Rolling(1, 0)),
        ("strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 10%}}", 3, Rolling(0, 1)),
        ("strategy: {rollingUpdate: {maxUnavailable: 10%, maxSurge: 0}}", 3, Rolling(1, 0)),
        ("strategy: {rollingUpdate: {maxUnavailable: 9, maxSurge: 0}}", 3, Rolling(3, 0)),
        ("strategy: {type: Recreate}", 3, None),
        ("strategy: {rollingUpdate: {maxUnavailable: some}}", 3, None),
    ],
)
def test_an_update_rounds_what_it_takes_away_down_and_what_it_adds_up(
    written: str, replicas: int, expected: Rolling | None
) -> None:
    assert rolling(only(deployment(spec=written)), replicas) == expected


def test_services_budgets_and_autoscalers_find_their_workload_by_labels_and_name() -> None:
    service = (
        "kind: Service\napiVersion: v1\nmetadata: {name: front}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
    )
    parts = [deployment(), deployment("api"), service, budget("maxUnavailable: 1"), autoscaler()]
    found = known("---\n".join(parts))
    web, api = found.workloads
    assert [one.manifest.name for one in found.serving(web)] == ["front"]
    assert [one.manifest.name for one in found.protecting(web)] == ["web"]
    assert [one.manifest.name for one in found.scaling(web)] == ["web"]
    assert (found.serving(api), found.protecting(api), found.scaling(api)) == ([], [], [])


def test_objects_of_other_namespaces_do_not_belong_together() -> None:
    elsewhere = budget("maxUnavailable: 1").replace("{name: web}", "{name: web, namespace: other}", 1)
    found = known(deployment() + "---\n" + elsewhere)
    assert found.protecting(found.workloads[0]) == []


def test_something_is_missing_only_where_others_of_its_kind_are() -> None:
    config = "kind: ConfigMap\napiVersion: v1\nmetadata: {name: settings, namespace: shop}\n"
    found = known(config)
    assert found.lacks("ConfigMap", "shop", "others")
    assert not found.lacks("ConfigMap", "shop", "settings")
    assert not found.lacks("ConfigMap", "default", "settings")
    assert not found.lacks("Secret", "shop", "settings")


@pytest.mark.parametrize(
    ("group", "operated"),
    [
        ("postgresql.cnpg.io/v1", True),
        ("cert-manager.io/v1", False),
        ("external-secrets.io/v1", False),
        ("apps/v1", False),
    ],
)
def test_custom_objects_may_run_pods_that_no_manifest_shows(group: str, operated: bool) -> None:
    text = f"kind: Thing\napiVersion: {group}\nmetadata: {{name: db, namespace: shop}}\n"
    assert known(text).is_operated("shop") is operated


@pytest.mark.parametrize(("target", "carried"), [("http", 1), ("8080", 1), ("https", 0), ("9090", 0), ("\u0663", 0)])
def test_a_target_port_is_carried_by_the_container_that_declares_it(target: str, carried: int) -> None:
    assert len(carriers(only(deployment()), target)) == carried


def test_a_number_may_be_carried_by_the_one_container_that_declares_nothing() -> None:
    silent = deployment().replace(", ports: [{name: http, containerPort: 8080}]", "")
    assert len(carriers(only(silent), "9090")) == 1
    assert carriers(only(silent), "http") == ()


def spread(key: str, *, skew: int = 1, hard: bool = True, label: str = "web") -> str:
    when = "DoNotSchedule" if hard else "ScheduleAnyway"
    return (
        f"topologySpreadConstraints: [{{topologyKey: {key}, maxSkew: {skew}, whenUnsatisfiable: {when},"
        f" labelSelector: {{matchLabels: {{app: {label}}}}}}}]"
    )


ZONE = "topology.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("replicas", "zones", "pod", "fullest"),
    [
        (6, 3, spread(ZONE), 2),
        (5, 3, spread(ZONE), 2),
        (7, 3, spread(ZONE), 3),
        (6, 3, spread(ZONE, skew=3), 4),
        (4, 3, spread(ZONE, skew=9), 4),
        (2, 3, spread(ZONE), 1),
        (6, 1, spread(ZONE), 6),
        (6, 3, spread(ZONE, hard=False), None),
        (6, 3, spread(ZONE, label="other"), None),
        (6, 3, spread("kubernetes.io/hostname"), None),
        (6, 3, "", None),
    ],
)
def test_the_fullest_zone_is_what_the_hard_constraints_allow(
    replicas: int, zones: int, pod: str, fullest: int | None
) -> None:
    assert fullest_zone(replicas, zones, apart(only(deployment(pod=pod)))) == fullest


def allowed(counts: tuple[int, ...], skew: int) -> bool:
    return max(counts) - min(counts) <= skew


@pytest.mark.parametrize("zones", [1, 2, 3])
@pytest.mark.parametrize("skew", [1, 2, 3])
@pytest.mark.parametrize("replicas", range(1, 10))
def test_no_placement_within_the_skew_holds_more_and_one_holds_as_many(zones: int, skew: int, replicas: int) -> None:
    placements: list[tuple[int, ...]] = [()]
    for _ in range(zones):
        placements = [(*one, count) for one in placements for count in range(replicas + 1)]
    fullest = max(max(one) for one in placements if sum(one) == replicas and allowed(one, skew))
    constraints = apart(only(deployment(pod=spread(ZONE, skew=skew))))
    assert fullest_zone(replicas, zones, constraints) == fullest


def affinity(*terms: str) -> str:
    written = ", ".join(f"{{matchExpressions: [{{key: {ZONE}, operator: In, values: [{term}]}}]}}" for term in terms)
    return (
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:"
        f" {{nodeSelectorTerms: [{written}]}}}}}}"
    )


@pytest.mark.parametrize(
    ("pod", "zone"),
    [
        (f"nodeSelector: {{{ZONE}: fra-a}}", "fra-a"),
        (affinity("fra-a"), "fra-a"),
        (affinity("fra-a", "fra-a"), "fra-a"),
        (affinity("fra-a, fra-b"), None),
        (affinity("fra-a", "fra-b"), None),
        ("nodeSelector: {pool: web}", None),
        ("", None),
    ],
)
def test_pods_are_bound_to_a_zone_when_every_way_leads_there(pod: str, zone: str | None) -> None:
    found = only_zone(only(deployment(pod=pod)))
    assert (found[0] if found is not None else None) == zone


def policy(name: str, written: str) -> str:
    return f"kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {{name: {name}}}\nspec: {{{written}}}\n"


def test_policies_add_to_each_other_and_isolate_in_the_directions_that_they_name() -> None:
    deny = policy("deny", "podSelector: {}, policyTypes: [Ingress]")
    allow = policy("allow", "podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 8000, endPort: 8100}]}]")
    made = estate("---\n".join([deployment(), deployment("api"), deny, allow]))
    isolated = {one.name: what for one, what in ingress(made).items()}
    assert [len(isolated[name].policies) for name in ("web", "api")] == [2, 1]
    (rule,) = isolated["web"].allowed
    assert rule.ports[0].allows("8080", "TCP")
    assert not rule.ports[0].allows("8101", "TCP")
    assert not rule.ports[0].allows("8080", "UDP")
    assert not rule.ports[0].allows("http", "TCP")
    assert isolated["api"].allowed == []
    assert egress(made) == {}


def test_nothing_is_said_where_other_kinds_of_policies_let_traffic_through() -> None:
    deny = policy("deny", "podSelector: {}")
    cilium = "kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata: {name: allow}\n"
    assert len(ingress(estate(deployment() + "---\n" + deny))) == 1
    assert ingress(estate(f"{deployment()}---\n{deny}---\n{cilium}")) == {}


@pytest.mark.parametrize(
    ("written", "limits_ingress", "limits_egress"),
    [
        ("podSelector: {}", True, False),
        ("podSelector: {}, egress: [{}]", True, True),
        ("podSelector: {}, policyTypes: [Egress]", False, True),
        ("podSelector: {}, policyTypes: [Ingress], egress: [{}]", True, False),
    ],
)
def test_a_policy_limits_the_directions_it_names_and_without_a_word_those_it_has_rules_for(
    written: str, limits_ingress: bool, limits_egress: bool
) -> None:
    made = estate(f"{deployment()}---\n{policy('one', written)}")
    assert (len(ingress(made)), len(egress(made))) == (limits_ingress, limits_egress)


def probing(written: str) -> Workload:
    return only(deployment().replace("ports: [", f"{written}, ports: ["))


def test_a_probe_has_the_defaults_of_kubernetes() -> None:
    found = probe(probing("livenessProbe: {tcpSocket: {port: 8080}}").containers[0], "livenessProbe")
    assert found is not None
    assert (found.delay_s, found.period_s, found.failures, found.patience_s) == (0, 10, 3, 30)


def test_probes_of_a_port_by_name_and_by_number_ask_the_same() -> None:
    written = (
        "livenessProbe: {httpGet: {path: /live, port: http}}, readinessProbe: {httpGet: {path: /live, port: 8080}},"
        " startupProbe: {httpGet: {path: /start, port: http}}"
    )
    (container,) = probing(written).containers
    liveness, readiness, startup = (probe(container, f"{key}Probe") for key in ("liveness", "readiness", "startup"))
    assert liveness is not None
    assert readiness is not None
    assert startup is not None
    assert liveness.handler == readiness.handler != startup.handler


@pytest.mark.parametrize("written", ["livenessProbe: {}", "livenessProbe: {periodSeconds: 5}", "livenessProbe: now"])
def test_a_probe_that_asks_nothing_is_none(written: str) -> None:
    assert probe(probing(written).containers[0], "livenessProbe") is None
