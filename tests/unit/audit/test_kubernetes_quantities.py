from __future__ import annotations

import pytest

from bascule.audit import yaml_reader
from bascule.audit.estate import SourceFile
from bascule.audit.kubernetes.quantities import amount, is_number, percent, pods
from bascule.audit.tree import Node, items


def node(text: str) -> Node:
    documents, _ = yaml_reader.read(SourceFile("one.yaml", f"- {text}", (f"- {text}",)))
    (value,) = items(documents[0].root)
    return value


@pytest.mark.parametrize(
    ("written", "total", "up", "down"),
    [
        ("2", 7, 2, 2),
        ("50%", 7, 4, 3),
        ('"50%"', 7, 4, 3),
        ("25%", 4, 1, 1),
        ("25%", 3, 1, 0),
        ("1%", 100, 1, 1),
        ("1%", 99, 1, 0),
        ("0%", 10, 0, 0),
        ("100%", 3, 3, 3),
        ("33%", 3, 1, 0),
        ("67%", 3, 3, 2),
    ],
)
def test_a_share_of_pods_is_rounded_to_whole_ones(written: str, total: int, up: int, down: int) -> None:
    assert pods(node(written), total, up=True) == up
    assert pods(node(written), total, up=False) == down


@pytest.mark.parametrize("written", ["half", "1.5", "10.5%", "-5%", '"%"', "null", "[1]", "{}", "true", f"{'9' * 40}%"])
def test_what_is_neither_a_number_nor_a_percentage_is_no_share(written: str) -> None:
    assert pods(node(written), 4, up=True) is None
    assert percent(node(written)) is None


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [("250m", "0.3"), ("999m", "1"), ("512Mi", "1Gi"), ("1G", "1Gi"), ("1e3", "1001"), ("900k", "1M")],
)
def test_amounts_compare_over_units(smaller: str, larger: str) -> None:
    left, right = amount(node(smaller)), amount(node(larger))
    assert left is not None
    assert right is not None
    assert left < right


@pytest.mark.parametrize("written", ["lots", "1 Gi", "1Gb", "-1", "null", "[1]", "1e999", "Mi", "1" * 50])
def test_what_is_no_amount_is_none(written: str) -> None:
    assert amount(node(written)) is None


def test_a_port_is_a_number_only_in_ascii_digits() -> None:
    assert is_number("8080")
    assert not is_number("http")
    assert not is_number("\u00b2")
    assert not is_number("9" * 5000)
