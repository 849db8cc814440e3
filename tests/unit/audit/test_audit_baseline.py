"""Findings that were there before are counted and not told; what is gone is said."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace
from tests.unit.audit.audit_findings import finding

from bascule.audit import baseline
from bascule.audit.place import Place
from bascule.audit.result import Audit
from bascule.kernel.errors import InputError


def test_what_is_in_the_baseline_is_known_and_what_is_not_is_told() -> None:
    old = Audit(findings=(finding("1"), finding("2")), rules=("BSC-K8S-001",))
    kept = baseline.decode(baseline.encode(old), "b.json")
    new = Audit(findings=(finding("2"), finding("3")), rules=("BSC-K8S-001",))
    found = baseline.apply(new, kept)
    assert [one.fingerprint for one in found.findings] == ["3"]
    assert [(one.fingerprint, one.known) for one in found.known] == [("2", True)]
    assert [one.fingerprint for one in found.gone] == ["1"]


def test_entries_of_rules_that_were_not_asked_and_suppressed_ones_are_not_gone() -> None:
    kept = baseline.decode(baseline.encode(Audit(findings=(finding("1"),))), "b.json")
    assert baseline.apply(Audit(findings=(), rules=()), kept).gone == ()
    silenced = Audit(findings=(), suppressed=(replace(finding("1"), suppressed="meant"),), rules=("BSC-K8S-001",))
    assert baseline.apply(silenced, kept).gone == ()


def test_a_baseline_that_is_written_again_keeps_what_it_knew() -> None:
    known = Audit(findings=(finding("2"),), known=(replace(finding("1"), known=True),))
    assert [one["fingerprint"] for one in json.loads(baseline.encode(known))["entries"]] == ["1", "2"]


def test_names_that_are_no_text_can_be_kept() -> None:
    odd = finding("1", subject="a\udcff\x1b", place=Place("b\udcff.yaml"))
    kept = baseline.decode(baseline.encode(Audit(findings=(odd,))), "b.json")
    assert baseline.apply(Audit(findings=(odd,)), kept).findings == ()


def test_the_file_does_not_depend_on_the_order_of_findings() -> None:
    one, two = finding("1"), finding("2")
    assert baseline.encode(Audit(findings=(one, two))) == baseline.encode(Audit(findings=(two, one)))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"bascule_baseline": 9, "entries": []}', b"\xff"])
def test_what_is_no_baseline_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match="baseline"):
        baseline.decode(content, "b.json")
