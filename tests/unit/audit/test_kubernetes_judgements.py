"""What rules about Kubernetes tell apart: cases that look alike, of which one is a defect and the other is not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from bascule.audit import auditing, reading, technologies, yaml_reader
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found
from bascule.audit.kubernetes import READER, RULES
from bascule.audit.result import Finding
from bascule.cli.audit_system import take_system


def audited(text: str, number: str) -> list[Found]:
    estate = Estate()
    text = textwrap.dedent(text)
    documents, unreadable = yaml_reader.read(SourceFile("one.yaml", text, yaml_reader.lines_of(text)))
    assert not unreadable
    assert READER.read_yaml is not None
    for document in documents:
        found = READER.read_yaml(document)
        if found is not None:
            estate.add(found)
    (rule,) = [one for one in RULES if one.id == f"BSC-K8S-{number}"]
    return list(rule.check(estate))


def with_system(text: str, number: str, folder: Path, *, promise: str = "zone: {rto: 60s, rpo: 0s}") -> list[Finding]:
    system, manifests = folder / "system.yaml", folder / "manifests.yaml"
    system.write_text(SYSTEM.replace("PROMISE", promise), encoding="utf-8")
    manifests.write_text(textwrap.dedent(text), encoding="utf-8")
    read = reading.read([str(system), str(manifests)], technologies.readers())
    take_system(read.estate, str(system), required=True)
    return [one for one in auditing.audit(read.estate, RULES).findings if one.rule == f"BSC-K8S-{number}"]


SYSTEM = """\
system: shop
objectives:
  availability: {target: 99.95%, window: 30d}
  disruptions:
    host: {rto: 30s, rpo: 0s}
    PROMISE
regions:
  fra: {zones: [fra-a, fra-b, fra-c]}
components:
  web:
    engine: service
    replicas: {fra-a: 2, fra-b: 2, fra-c: 2}
    options: {run: ["python", "web.py"]}
    reliability: {needed: 4}
workload:
  through: web
  rate: 200/s
  operations:
    - {name: look, method: GET, path: /, weight: 9}
    - {name: order, method: POST, path: "/orders/{number}", writes: true}
  audit: /orders/numbers
"""


def deployment(
    *, kind: str = "Deployment", replicas: int = 6, spec: str = "", pod: str = "", container: str = "", port: str = ""
) -> str:
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web}}}}
  {spec}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      {pod}
      containers:
        - name: web
          image: "web:1"
          ports: [{{name: http, containerPort: 8080{port}}}]
          {container}
"""


def service(port: str = "port: 80, targetPort: 8080") -> str:
    return (
        "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
        f"spec: {{selector: {{app: web}}, ports: [{{{port}}}]}}\n"
    )


def budget(written: str) -> str:
    return (
        "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n"
        f"spec: {{{written}, selector: {{matchLabels: {{app: web}}}}}}\n"
    )


def anti_affinity(
    label: str = "web", *, key: str = "app", topology: str = "kubernetes.io/hostname", more: str = ""
) -> str:
    return (
        "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{"
        f"topologyKey: {topology}, labelSelector: {{matchLabels: {{{key}: {label}}}}}{more}}}]}}}}"
    )


@pytest.mark.parametrize(
    ("mount", "volume", "is_found"),
    [
        ("/var/lib/rabbitmq/mnesia/", "claimed", False),
        ("/var/lib/rabbitmq", "claimed", False),
        ("/var/lib/rabbitmq/mnesia", "named", False),
        ("/var/lib/rabbitmq-backup", "claimed", True),
        ("/var/lib", "claimed", True),
        ("/var/lib/rabbitmq/mnesia", "scratch", True),
    ],
)
def test_an_empty_dir_above_a_claim_holds_no_data(mount: str, volume: str, *, is_found: bool) -> None:
    text = f"""
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {{name: rabbitmq}}
        spec:
          selector: {{matchLabels: {{app: rabbitmq}}}}
          template:
            metadata: {{labels: {{app: rabbitmq}}}}
            spec:
              containers:
                - name: rabbitmq
                  image: "rabbitmq:3.13"
                  volumeMounts:
                    - {{name: cookie, mountPath: /var/lib/rabbitmq/}}
                    - {{name: {volume}, mountPath: {mount}}}
              volumes:
                - {{name: cookie, emptyDir: {{}}}}
                - {{name: scratch, emptyDir: {{}}}}
                - {{name: named, persistentVolumeClaim: {{claimName: data}}}}
          volumeClaimTemplates:
            - metadata: {{name: claimed}}
    """
    assert bool(audited(text, "074")) is is_found


ALL_AT_ONCE = "strategy: {rollingUpdate: {maxUnavailable: 100%}}"


@pytest.mark.parametrize(
    ("pod", "port", "is_mended"),
    [
        ("", "", True),
        ("", ", hostPort: 8080", False),
        ("hostNetwork: true", "", False),
        (anti_affinity(), "", False),
        (anti_affinity("db"), "", True),
        (anti_affinity().replace("required", "preferred"), "", True),
    ],
)
def test_an_update_that_needs_room_beside_the_old_pods_is_not_written_where_there_is_none(
    pod: str, port: str, *, is_mended: bool
) -> None:
    (found,) = audited(deployment(spec=ALL_AT_ONCE, pod=pod, port=port) + service(), "061")
    assert bool(found.edits) is is_mended
    assert ("maxSurge: 0" in found.fix) is not is_mended
    nothing = "strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 0}}"
    (stuck,) = audited(deployment(spec=nothing, pod=pod, port=port) + service(), "063")
    assert bool(stuck.edits) is is_mended


def helm_pod(annotation: str, *, kind: str = "Pod") -> str:
    return f"""\
---
apiVersion: v1
kind: {kind}
metadata:
  name: web-test
  labels: {{app: web}}
  annotations: {{{annotation}}}
spec: {{containers: [{{name: wget, image: "busybox:1.36"}}]}}
"""


@pytest.mark.parametrize("hook", ["test", "test-success", '"post-upgrade, test"', "pre-install"])
def test_pods_that_helm_makes_for_a_moment_are_not_counted(hook: str) -> None:
    text = deployment(replicas=2) + service() + budget("minAvailable: 2")
    beside = helm_pod(f"helm.sh/hook: {hook}")
    assert len(audited(text + beside, "010")) == len(audited(text, "010")) == 1
    assert audited(text + helm_pod("team: a"), "010") == []
    assert audited(service() + beside, "040") == []


@pytest.mark.parametrize(("number", "choosing"), [("080", service()), ("015", budget("maxUnavailable: 1"))])
def test_what_is_there_for_pods_of_a_hook_does_not_choose_nothing(number: str, choosing: str) -> None:
    text = deployment().replace("web", "shop") + choosing
    assert audited(text + helm_pod("helm.sh/hook: test"), number) == []
    assert len(audited(text, number)) == 1


def test_a_deployment_that_a_hook_of_helm_makes_stays() -> None:
    kept = deployment().replace("{name: web}", '{name: web, annotations: {helm.sh/hook: "post-install"}}', 1)
    assert len(audited(kept + service(), "040")) == 1
    assert audited(kept.replace("post-install", "post-install,test") + service(), "040") == []


def test_one_hook_may_be_written_for_each_of_its_moments() -> None:
    account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, annotations: {KEY: pre-install}}\n"
    twice = f"{account}---\n{account}"
    assert audited(twice.replace("KEY", "helm.sh/hook"), "002") == []
    assert len(audited(twice.replace("KEY", "team"), "002")) == 1


ZONES = "topology.kubernetes.io/zone"
SPREAD = (
    f"topologySpreadConstraints: [{{maxSkew: 1, topologyKey: {ZONES}, WHEN,"
    " labelSelector: {matchLabels: {app: web}}}]"
)
HARD, SOFT = (SPREAD.replace("WHEN", f"whenUnsatisfiable: {one}") for one in ("DoNotSchedule", "ScheduleAnyway"))


@pytest.mark.parametrize(("unavailable", "left"), [(0, None), (2, None), (3, 3), (5, 1)])
def test_an_update_leaves_what_the_system_says_is_needed(unavailable: int, left: int | None, tmp_path: Path) -> None:
    update = f"strategy: {{rollingUpdate: {{maxUnavailable: {unavailable}, maxSurge: 1}}}}"
    found = with_system(deployment(spec=update, pod=HARD), "062", tmp_path)
    assert [f"leaves {left}, but 4 are needed" in one.what for one in found] == ([] if left is None else [True])


def test_an_update_of_what_is_no_component_of_the_system_is_compared_with_budgets_alone(tmp_path: Path) -> None:
    update = "strategy: {rollingUpdate: {maxUnavailable: 5, maxSurge: 1}}"
    other = deployment(spec=update).replace("name: web", "name: other")
    assert with_system(other, "062", tmp_path) == []
    (found,) = with_system(other + budget("maxUnavailable: 1"), "062", tmp_path)
    assert "PodDisruptionBudget" in found.what


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (HARD, None),
        ("", "may take all of them"),
        (SOFT, "may take all of them"),
        (anti_affinity(), "may take all of them"),
        (HARD.replace("maxSkew: 1", "maxSkew: 4"), "takes up to 4"),
        (f"nodeSelector: {{{ZONES}: fra-a}}", None),
    ],
)
def test_pods_that_nothing_keeps_in_different_zones_may_all_be_lost_with_one(
    pod: str, words: str | None, tmp_path: Path
) -> None:
    found = with_system(deployment(pod=pod), "037", tmp_path)
    assert [words is not None and words in one.what for one in found] == ([] if words is None else [True])


def test_zones_that_nobody_promised_to_survive_are_counted_only_where_a_constraint_does(tmp_path: Path) -> None:
    assert with_system(deployment(), "037", tmp_path, promise="") == []
    assert with_system(deployment(pod=HARD.replace("maxSkew: 1", "maxSkew: 4")), "037", tmp_path, promise="")


def other(label: str) -> str:
    return "---\n" + deployment().replace("web", label)


@pytest.mark.parametrize(
    ("pod", "more", "apart", "misses"),
    [
        (anti_affinity(), "", True, False),
        (anti_affinity("wbe"), "", False, True),
        (anti_affinity("db"), other("db"), False, False),
        (anti_affinity("batch", key="tier"), "", False, False),
        (anti_affinity("wbe", more=", namespaceSelector: {}"), "", False, False),
        (HARD.replace("app: web", "app: wbe"), "", False, True),
        ("hostNetwork: true", "", True, False),
    ],
)
def test_an_anti_affinity_that_misses_its_own_pods_keeps_nothing_apart(
    pod: str, more: str, *, apart: bool, misses: bool
) -> None:
    text = deployment(pod=pod) + more
    assert any(one.subject == "Deployment default/web" for one in audited(text, "032")) is not apart
    assert bool(audited(text, "033")) is misses


def test_an_anti_affinity_that_seems_to_miss_its_pods_is_less_certain_than_a_constraint() -> None:
    assert [one.severity for one in audited(deployment(pod=anti_affinity("wbe")), "033")] == ["medium"]
    assert [one.severity for one in audited(deployment(pod=HARD.replace("app: web", "app: wbe")), "033")] == [None]


@pytest.mark.parametrize(("target", "severity"), [("4317", "low"), ("grpc", None)])
def test_a_number_that_no_container_declares_may_be_served_all_the_same(target: str, severity: str | None) -> None:
    (found,) = audited(deployment() + service(f"port: 80, targetPort: {target}"), "081")
    assert found.severity == severity


@pytest.mark.parametrize(
    ("name", "written", "is_kustomization"),
    [
        ("deploy/kustomization.yaml", "images: [{name: web, newTag: '2'}]", True),
        ("kustomization.yml", "namePrefix: a-", True),
        ("base.yaml", "resources: [deploy.yaml, ../more]", True),
        ("base.yaml", "configMapGenerator: [{name: settings}]", True),
        ("base.yaml", "secretGenerator: [{name: settings}]", True),
        ("base.yaml", "kind: Kustomization\nnamePrefix: a-", False),
        ("values.yaml", "resources: {requests: {cpu: 1}}", False),
        ("pipeline.yaml", "resources: [{name: a.b}]", False),
        ("rights.yaml", "resources: [pods, services]", False),
    ],
)
def test_a_kustomization_needs_no_kind(name: str, written: str, *, is_kustomization: bool) -> None:
    missing = deployment(container="envFrom: [{configMapRef: {name: settings}}]")
    there = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"
    files = [SourceFile("one.yaml", missing + there, ()), SourceFile(name, written, ())]
    estate = Estate()
    assert READER.read_yaml is not None
    for file in files:
        for document in yaml_reader.read(file)[0]:
            found = READER.read_yaml(document)
            if found is not None:
                estate.add(found)
    (rule,) = [one for one in RULES if one.id == "BSC-K8S-084"]
    assert (list(rule.check(estate)) == []) is is_kustomization


@pytest.mark.parametrize(
    ("path", "is_deep"),
    [
        ("/db-api/livez", False),
        ("/kafka-ui/actuator/health/liveness", False),
        ("/redis/health", False),
        ("/livez?exclude=db", False),
        ("/", False),
        ("/readyz", True),
        ("/api/ready/", True),
        ("/health/db/check", True),
        ("/health?deep=true", True),
        ("/actuator/health/readiness", True),
        ("/shop/actuator/health", True),
    ],
)
def test_what_a_path_ends_in_says_what_liveness_asks(path: str, *, is_deep: bool) -> None:
    probe = f'livenessProbe: {{httpGet: {{path: "{path}", port: http}}}}'
    assert bool(audited(deployment(container=probe), "042")) is is_deep


@pytest.mark.parametrize(
    ("command", "host"),
    [
        ("pg_isready -h db.prod -p 5432", "db.prod"),
        ("/usr/bin/pg_isready --host=db.prod", "db.prod"),
        ("exec redis-cli --no-auth-warning -h cache ping", "cache"),
        ("mysqladmin ping -hmysql", "mysql"),
        ("nc -z -w 2 db 5432", "db"),
        ("true && nc -zv db 5432", "db"),
        ("pg_isready -h 127.0.0.1", None),
        ("pg_isready -h /var/run/postgresql", None),
        ("pg_isready -U app", None),
        ("redis-cli -h $(hostname) ping", None),
        ("redis-cli -h ${POD_IP} ping", None),
        ("mysqladmin ping -h localhost", None),
        ("pg_isready -h web-0.web", None),
        ("nc -z localhost 8080", None),
        ("nc -w 2 db", None),
        ("nc -lk 8080", None),
        ("pg_isready -h", None),
        ("curl -h", None),
    ],
)
def test_a_command_of_liveness_may_not_ask_another_host(command: str, host: str | None) -> None:
    words = ", ".join(f'"{word}"' for word in command.split())
    for written in (words, f'sh, -c, "{command}"'):
        found = audited(deployment(container=f"livenessProbe: {{exec: {{command: [{written}]}}}}"), "042")
        assert [f"asks the host {host}," in one.what for one in found] == ([] if host is None else [True])


@pytest.mark.parametrize(("host", "is_other"), [("db.prod", True), ("127.0.0.1", False), ("localhost", False)])
def test_a_request_of_liveness_may_not_go_to_another_host(host: str, *, is_other: bool) -> None:
    probe = f"livenessProbe: {{tcpSocket: {{host: {host}, port: 5432}}}}"
    assert bool(audited(deployment(container=probe), "042")) is is_other


@pytest.mark.parametrize(
    ("sleep_s", "grace", "expected"),
    [
        (10, "", []),
        (25, "", []),
        (26, "", ["medium"]),
        (29, "", ["medium"]),
        (30, "", [None]),
        (60, "terminationGracePeriodSeconds: 65", []),
        (61, "terminationGracePeriodSeconds: 65", ["medium"]),
        (65, "terminationGracePeriodSeconds: 65", [None]),
        (0, "terminationGracePeriodSeconds: 3", []),
    ],
)
def test_what_the_pause_leaves_of_the_grace_is_for_requests_in_progress(
    sleep_s: int, grace: str, expected: list[str | None]
) -> None:
    text = deployment(pod=grace, container=f"lifecycle: {{preStop: {{sleep: {{seconds: {sleep_s}}}}}}}")
    assert [one.severity for one in audited(text, "050")] == expected


LIVE = "livenessProbe: {httpGet: {path: /livez, port: http}}"


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        (deployment() + service(), True),
        (deployment(container=LIVE) + service(), False),
        (deployment(), False),
        (deployment(kind="StatefulSet") + service(), False),
        (deployment() + service("name: http-metrics, port: 80, targetPort: 8080"), False),
    ],
)
def test_a_container_that_serves_is_restarted_when_it_hangs(text: str, *, is_found: bool) -> None:
    assert bool(audited(text, "048")) is is_found


@pytest.mark.parametrize(
    ("port", "name", "severity"),
    [
        ("port: 80, targetPort: http", "http", None),
        ("name: tcp-prometheus-servicemonitor, port: 9402, targetPort: http", "http", "low"),
        ("port: 9402, targetPort: 8080", "http-metrics", "low"),
        ("port: 80, targetPort: http", "http, containerPort: 80}, {name: metrics", None),
        ("name: metrics, port: 9402, targetPort: http}, {port: 80, targetPort: http", "http", None),
    ],
)
def test_who_only_shows_metrics_may_do_without_readiness(port: str, name: str, severity: str | None) -> None:
    text = deployment().replace("name: http", f"name: {name}") + service(port)
    assert [one.severity for one in audited(text, "040")] == [severity]


WHOLE = "resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}"
CPU = "target: {type: Utilization, averageUtilization: 60}"


@pytest.mark.parametrize(
    ("metric", "is_enough"),
    [
        (f"{{type: Resource, resource: {{name: cpu, {CPU}}}}}", True),
        (f"{{type: ContainerResource, containerResource: {{name: cpu, container: web, {CPU}}}}}", False),
    ],
)
def test_resources_of_the_whole_pod_count_for_its_containers(metric: str, *, is_enough: bool) -> None:
    scaler = (
        "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\n"
        f"spec: {{scaleTargetRef: {{kind: Deployment, name: web}}, maxReplicas: 5, metrics: [{metric}]}}\n"
    )
    assert audited(deployment(pod=WHOLE), "090") == audited(deployment(pod=WHOLE), "091") == []
    assert len(audited(deployment(), "090")) == len(audited(deployment(), "091")) == 1
    assert len(audited(deployment() + scaler, "023")) == 1
    assert (audited(deployment(pod=WHOLE) + scaler, "023") == []) is is_enough


def egress(peer: str, port: int) -> str:
    return (
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\n"
        f"spec: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{peer}],"
        f" ports: [{{port: {port}, protocol: UDP}}]}}]}}\n"
    )


NAMED = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}"


@pytest.mark.parametrize(
    ("peer", "port", "is_found"),
    [
        (f"{{{NAMED.replace('NAME', 'kube-system')}}}", 53, False),
        (f"{{{NAMED.replace('NAME', 'openshift-dns')}}}", 5353, False),
        ("{namespaceSelector: {matchLabels: {team: dns}}}", 5353, False),
        (f"{{{NAMED.replace('NAME', 'kube-system')}}}", 5353, True),
        ("{podSelector: {}}", 5353, True),
        (f"{{{NAMED.replace('NAME', 'openshift-dns')}}}", 5354, True),
    ],
)
def test_pods_of_the_dns_of_openshift_listen_on_another_port(peer: str, port: int, *, is_found: bool) -> None:
    assert bool(audited(deployment() + egress(peer, port), "101")) is is_found


@pytest.mark.parametrize(
    ("deadline", "words"), [(0, "is no deadline"), (-1, "is no deadline"), (5, "fails after 5 s"), (60, None)]
)
def test_a_deadline_below_a_second_is_none(deadline: int, words: str | None) -> None:
    text = deployment(spec=f"progressDeadlineSeconds: {deadline}\n  minReadySeconds: 10")
    found = audited(text, "065")
    assert [words is not None and words in one.what for one in found] == ([] if words is None else [True])


def test_nodes_are_not_counted() -> None:
    (rule,) = [one for one in RULES if one.id == "BSC-K8S-030"]
    assert "Nodes are not counted" in rule.why
    many = deployment(replicas=500, pod=anti_affinity())
    assert audited(many, "030") == audited(many, "031") == []
