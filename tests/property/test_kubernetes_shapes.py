"""No shape of a manifest makes a rule fail: whatever stands where, findings are told or nothing is."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.audit import yaml_reader
from bascule.audit.estate import Estate, SourceFile, YamlDocument
from bascule.audit.finding import Found
from bascule.audit.kubernetes import READER, RULES
from bascule.audit.tree import Mapping, Node, Scalar, Sequence, Value, walk

GOOD = Path(__file__).resolve().parents[1] / "golden" / "audit" / "kubernetes-good.yaml"
ODD: tuple[object, ...] = (
    None, True, False, "", "x", "\u00b2", "100%", "0%", "-1%", "9" * 5000, "sleep 99", -1, 0, 1, 2, 10**30, 1.5, [], {},
    ["x"], [["x"]], [{}], {"a": 1}, {"": None}, [None, {"name": "web"}, {"name": []}],
)  # fmt: skip


def shop() -> list[YamlDocument]:
    text = GOOD.read_text(encoding="utf-8")
    documents, unreadable = yaml_reader.read(SourceFile(GOOD.name, text, yaml_reader.lines_of(text)))
    assert not unreadable
    return documents


DOCUMENTS = shop()
SIZES = [sum(1 for _ in walk(document.root)) for document in DOCUMENTS]


def made(value: object, at: Node) -> Node:
    if isinstance(value, list):
        return Sequence(at.place, tuple(made(one, at) for one in value))
    if isinstance(value, dict):
        entries = {str(key): made(one, at) for key, one in value.items()}
        return Mapping(at.place, entries, dict.fromkeys(entries, at.place))
    known: Value = value if isinstance(value, str | int | float) else None
    return Scalar(at.place, "" if value is None else str(value), known)


def changed(node: Node, target: int, value: object, numbers: count[int] | None = None) -> Node:
    """The tree with another value in place of its node number `target`, counted from its root down."""
    numbers = numbers if numbers is not None else count()
    if next(numbers) == target:
        return made(value, node)
    if isinstance(node, Mapping):
        entries = {key: changed(one, target, value, numbers) for key, one in node.entries.items()}
        return Mapping(node.place, entries, node.keys, node.duplicates, node.flow)
    if isinstance(node, Sequence):
        return Sequence(node.place, tuple(changed(one, target, value, numbers) for one in node.items), node.flow)
    return node


def audited(documents: list[YamlDocument]) -> list[Found]:
    estate = Estate(documents=documents)
    assert READER.read_yaml is not None
    for document in documents:
        found = READER.read_yaml(document)
        if found is not None:
            estate.add(found)
    return [found for rule in RULES for found in rule.check(estate)]


@st.composite
def damaged(draw: st.DrawFn) -> list[YamlDocument]:
    documents = list(DOCUMENTS)
    for _ in range(draw(st.integers(1, 4))):
        number = draw(st.integers(0, len(documents) - 1))
        target = draw(st.integers(0, SIZES[number] - 1))
        one = documents[number]
        root = changed(one.root, target, draw(st.sampled_from(ODD)))
        documents[number] = YamlDocument(one.file, one.number, root)
    return documents


@given(damaged())
@settings(max_examples=150, deadline=None)
def test_every_rule_survives_any_shape_and_tells_whole_findings(documents: list[YamlDocument]) -> None:
    for found in audited(documents):
        assert found.what
        assert "\n" not in found.what
        assert not found.what.endswith(".")
        assert found.place.line >= 1


def test_the_whole_shop_has_no_finding() -> None:
    assert audited(DOCUMENTS) == []
