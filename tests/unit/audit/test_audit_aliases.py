"""Values that aliases of YAML use in several places are never edited: one finding is no reason to change the others."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from bascule.audit import auditing, reading, technologies
from bascule.audit.aliases import Shared
from bascule.audit.place import Place
from bascule.audit.result import Finding

BOTH = """\
apiVersion: v1
kind: List
settings: [ANCHORS]
items:
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 3
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          containers: [{name: web, image: "web:1"}]
  - apiVersion: policy/v1
    kind: PodDisruptionBudget
    metadata: {name: web}
    spec:
      BUDGET
"""
SELECTOR = "selector: {matchLabels: {app: web}}"


def blocked(text: str, folder: Path) -> Finding:
    """The finding that a budget blocks every eviction, which offers an edit of the limit."""
    path = folder / "manifests.yaml"
    path.write_text(text, encoding="utf-8")
    read = reading.read([str(path)], technologies.readers())
    (found,) = [one for one in auditing.audit(read.estate, technologies.rules()).findings if one.rule == "BSC-K8S-010"]
    return found


@pytest.mark.parametrize(
    ("anchors", "budget", "is_edited"),
    [
        ("", f"{{minAvailable: 3, {SELECTOR}}}", True),
        ("&n 3", f"{{minAvailable: 3, {SELECTOR}}}", True),
        ("&n 3", f"{{minAvailable: *n, {SELECTOR}}}", False),
        ("3", f"{{minAvailable: &n 3, {SELECTOR}}}", True),
        ("3", f"{{minAvailable: &n 3, {SELECTOR}}}\n      status: {{wanted: *n}}", False),
        (f"&b {{minAvailable: 3, {SELECTOR}}}", "<<: *b", False),
        (f"&b {{minAvailable: 3, {SELECTOR}}}", "<<: *b\n      minAvailable: 3", True),
        (f"&b {{minAvailable: 3, {SELECTOR}}}", f"{{minAvailable: 3, {SELECTOR}, more: [*b, *b]}}", True),
    ],
)
def test_a_value_is_edited_only_where_no_alias_uses_it(
    anchors: str, budget: str, tmp_path: Path, *, is_edited: bool
) -> None:
    if budget.startswith("{"):
        whole, _, more = budget.partition("\n")
        text = BOTH.replace(
            "    spec:\n      BUDGET", f"    spec: {whole}\n{more.replace('      status', '    status')}"
        )
    else:
        text = BOTH.replace("BUDGET", budget)
    found = blocked(text.replace("ANCHORS", anchors), tmp_path)
    assert bool(found.edits) is is_edited


def test_what_an_alias_of_one_document_uses_is_not_that_of_the_next(tmp_path: Path) -> None:
    first = BOTH.replace("ANCHORS", "&n 3, *n").replace("BUDGET", f"minAvailable: 3\n      {SELECTOR}")
    assert blocked(first, tmp_path).edits
    assert blocked(f"a: [&n 3, *n]\n---\n{first.replace('settings: [&n 3, *n]', 'settings: []')}", tmp_path).edits


def test_a_place_is_shared_exactly_where_it_meets_a_stretch() -> None:
    points = list(product((1, 2), (1, 2, 3)))
    ranges = [(start, end) for start, end in product(points, points) if start <= end]
    for one, two, asked in product(ranges, ranges, ranges):
        shared = Shared([Place("a", *start, *end) for start, end in (one, two)])
        meets = any(start <= asked[1] and asked[0] <= end for start, end in (one, two))
        assert shared.has(Place("a", *asked[0], *asked[1])) is meets
    assert not Shared([Place("a", 1, 1, 2, 1)]).has(Place("b", 1, 1, 2, 1))
    assert Shared([Place("a", 1, 1, 2, 1)]).has(Place("a", 1, 5))
