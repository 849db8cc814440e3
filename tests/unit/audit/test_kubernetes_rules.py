"""What rules about Kubernetes leave alone, although it looks like what they find."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from bascule.audit import yaml_reader
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found
from bascule.audit.kubernetes import READER, RULES

EXAMPLES = Path(__file__).resolve().parents[2] / "golden" / "audit"


def audited(text: str) -> list[tuple[str, Found]]:
    estate = Estate()
    documents, unreadable = yaml_reader.read(SourceFile("one.yaml", text, yaml_reader.lines_of(text)))
    assert not unreadable
    assert READER.read_yaml is not None
    for document in documents:
        found = READER.read_yaml(document)
        if found is not None:
            estate.add(found)
    return [(rule.id, found) for rule in RULES for found in rule.check(estate)]


def ids(text: str) -> set[str]:
    return {name for name, _ in audited(text)}


def example(number: str, kind: str = "failing") -> str:
    return (EXAMPLES / f"BSC-K8S-{number}" / f"{kind}.yaml").read_text(encoding="utf-8")


def with_more(text: str, more: str) -> str:
    return f"{text}---\n{textwrap.dedent(more)}"


def replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def test_a_good_shop_has_no_finding() -> None:
    assert audited((EXAMPLES / "kubernetes-good.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("number", ["015", "080"])
def test_pods_of_an_operator_are_not_missed(number: str) -> None:
    failing = example(number)
    assert f"BSC-K8S-{number}" in ids(failing)
    namespace = failing.partition("namespace: ")[2].partition("\n")[0]
    more = f"""
        apiVersion: postgresql.cnpg.io/v1
        kind: Cluster
        metadata: {{name: db, namespace: {namespace}}}
    """
    assert f"BSC-K8S-{number}" not in ids(with_more(failing, more))


@pytest.mark.parametrize("number", ["015", "080"])
def test_a_namespace_without_any_workload_is_a_part_of_something_larger(number: str) -> None:
    first, _, _ = example(number).partition("---\n")
    assert ids(first) == set()


def test_a_part_of_what_runs_has_no_missing_references() -> None:
    first, _, _ = example("010", "passing").partition("---\n")
    assert ids(first) == set()
    assert not {"BSC-K8S-082", "BSC-K8S-084", "BSC-K8S-087", "BSC-K8S-088"} & ids(example("065", "passing"))


@pytest.mark.parametrize(
    "more",
    [
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nconfigMapGenerator: [{name: shop-settings}]",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop-settings, namespace: accounts}",
    ],
)
def test_a_config_map_that_is_made_from_something_else_is_not_missing(more: str) -> None:
    failing = example("084")
    assert "BSC-K8S-084" in ids(failing)
    assert "BSC-K8S-084" not in ids(with_more(failing, more))


def test_an_optional_config_map_may_be_missing() -> None:
    optional = replaced(example("084"), "name: shop-settings", "name: shop-settings\n                optional: true")
    assert "BSC-K8S-084" not in ids(optional)


def test_a_missing_secret_is_told_as_low_and_a_missing_config_map_is_not() -> None:
    secrets = replaced(replaced(example("084"), "configMapRef", "secretRef"), "kind: ConfigMap", "kind: Secret")
    assert [found.severity for name, found in audited(secrets) if name == "BSC-K8S-084"] == ["low"]
    assert [found.severity for name, found in audited(example("084")) if name == "BSC-K8S-084"] == [None]


def test_who_writes_to_a_volume_alone_may_be_recreated() -> None:
    volume = """\
      volumes:
        - name: data
          persistentVolumeClaim: {claimName: data}
      containers:
"""
    failing = example("060")
    assert "BSC-K8S-060" in ids(failing)
    assert "BSC-K8S-060" not in ids(replaced(failing, "      containers:\n", volume))


def test_liveness_may_ask_what_readiness_asks_when_it_is_more_patient() -> None:
    assert "BSC-K8S-041" not in ids(example("041", "passing"))
    assert "BSC-K8S-043" not in ids(example("041", "passing"))


def test_one_deployment_for_each_zone_is_no_deployment_in_one_zone() -> None:
    zone_a = example("038")
    deployment, _, service = zone_a.partition("---\n")
    assert "BSC-K8S-038" in ids(zone_a)
    zone_b = replaced(
        replaced(deployment, "fra-a", "fra-b"), "metadata:\n  name: invoices\n", "metadata:\n  name: other\n"
    )
    assert "BSC-K8S-038" not in ids(f"{deployment}---\n{zone_b}---\n{service}")


def test_calls_to_addresses_alone_need_no_name_resolution() -> None:
    failing = example("101")
    assert "BSC-K8S-101" in ids(failing)
    by_address = replaced(
        failing,
        "        - podSelector:\n            matchLabels:\n              app.kubernetes.io/name: db",
        "        - ipBlock: {cidr: 10.1.0.0/16}",
    )
    assert "BSC-K8S-101" not in ids(by_address)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("failurePolicy: Fail", "failurePolicy: Ignore"),
        (
            "    namespaceSelector:\n",
            "    matchConditions: [{name: own, expression: 'true'}]\n    namespaceSelector:\n",
        ),
        ("    namespaceSelector:\n", "    objectSelector: {matchLabels: {app: other}}\n    namespaceSelector:\n"),
        ("key: kubernetes.io/metadata.name", "key: policy.example.com/ignore"),
        ('resources: ["pods"]', 'resources: ["deployments"]'),
        ('operations: ["CREATE", "UPDATE"]', 'operations: ["UPDATE"]'),
    ],
)
def test_a_webhook_that_its_own_pods_can_do_without_does_not_lock_itself_out(old: str, new: str) -> None:
    failing = example("110")
    assert "BSC-K8S-110" in ids(failing)
    assert "BSC-K8S-110" not in ids(replaced(failing, old, new))


def test_labels_of_a_namespace_that_was_read_decide_whom_a_webhook_is_asked_about() -> None:
    labelled = replaced(example("110"), "key: kubernetes.io/metadata.name", "key: policy.example.com/ignore")
    more = """
        apiVersion: v1
        kind: Namespace
        metadata: {name: policy, labels: {team: security}}
    """
    assert "BSC-K8S-110" in ids(with_more(labelled, more))


def test_a_default_priority_class_is_enough() -> None:
    failing = example("095")
    assert "BSC-K8S-095" in ids(failing)
    assert "BSC-K8S-095" not in ids(replaced(failing, "value: 100000", "value: 100000\nglobalDefault: true"))


@pytest.mark.parametrize("number", ["023", "090", "091"])
def test_a_limit_range_sets_what_containers_leave_out(number: str) -> None:
    failing = example(number)
    namespace = failing.partition("namespace: ")[2].partition("\n")[0]
    more = f"apiVersion: v1\nkind: LimitRange\nmetadata: {{name: defaults, namespace: {namespace}}}"
    assert f"BSC-K8S-{number}" in ids(failing)
    assert f"BSC-K8S-{number}" not in ids(with_more(failing, more))


def test_rules_that_count_zones_find_nothing_without_a_system() -> None:
    for number in ("030", "031", "036", "037"):
        assert f"BSC-K8S-{number}" not in ids(example(number))


def test_what_is_edited_is_the_value_alone() -> None:
    text = example("063")
    (found,) = [found for name, found in audited(text) if name == "BSC-K8S-063"]
    (edit,) = found.edits
    line = text.splitlines()[edit.place.line - 1]
    mended = line[: edit.place.column - 1] + edit.text + line[edit.place.end_column - 1 :]
    assert (line.strip(), mended.strip()) == ("maxSurge: 0", "maxSurge: 1")


def test_no_edit_takes_the_only_pod_away() -> None:
    single = replaced(example("010"), "replicas: 3", "replicas: 1")
    (found,) = [found for name, found in audited(single) if name == "BSC-K8S-010"]
    assert found.edits == ()
    assert "second replica" in found.fix
