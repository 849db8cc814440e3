"""The page about faults says what their code says."""

from pathlib import Path

import pytest

from bascule.chaos.faults import KINDS, Fault
from bascule.chaos.faults.catalogue import parameters

PAGE = Path(__file__).parents[3] / "docs" / "faults.md"


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_tells_each_fault_as_its_code_does(kind: type[Fault]) -> None:
    told = "; ".join(
        f"`{each.name}`: {each.type}" + (f" (default {each.default})" if each.default is not None else "")
        for each in parameters(kind)
    )
    row = f"| `{kind.kind()}` | {told} | {kind.DOES} | {kind.SEEN_BY} | {kind.UNDONE_BY} |"
    assert row in PAGE.read_text()
