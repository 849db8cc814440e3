from __future__ import annotations

import math
from io import StringIO

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console, RenderableType

from bascule.drill.render_terminal import SIGNS, summary, verdict_table
from bascule.drill.report import Report
from bascule.measure.verdict import Measure, Verdict


def drawn(renderable: RenderableType, width: int = 80, *, colour: bool = False) -> str:
    out = StringIO()
    Console(file=out, width=width, force_terminal=colour, no_color=not colour, legacy_windows=False).print(renderable)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 160])
def test_it_fits_the_terminal_and_nothing_that_matters_is_cut(sample_report: Report, width: int) -> None:
    text = drawn(summary(sample_report), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for words in ("20.62 s ± 0.03 s", "≤ 30 s", "✔ PASS", "✘ FAIL", "524 writes", "P90 ≤ 20.62 s"):
        assert words in text


def test_without_colour_every_result_is_still_told_in_words(sample_report: Report) -> None:
    text = drawn(verdict_table(sample_report.trials[3]))
    assert "\x1b" not in text
    assert text.startswith("FAIL partition: RTO 30.004 s of 30 s promised, 524 writes lost")
    results = [word for line in text.splitlines() for word in ("PASS", "FAIL") if SIGNS[word] in line]
    assert len(results) == sum(1 for one in sample_report.trials[3].verdict.measures if one.objective is not None)


def test_the_parts_are_shown_as_a_sum_with_a_bar_in_proportion(sample_report: Report) -> None:
    lines = drawn(verdict_table(sample_report.trials[1])).splitlines()
    at = next(number for number, line in enumerate(lines) if "RTO 20.62 s =" in line)
    assert lines[at].strip() == "RTO 20.62 s = █ detection 18.93 s + ▓ failover 0.44 s + ▒ client 1.25 s"
    bar = lines[at + 1].strip()
    assert (bar.count("█"), bar.count("▓"), bar.count("▒")) == (55, 1, 4)


def test_what_is_unknown_is_a_dash_with_its_reason_and_infinite_is_never(sample_report: Report) -> None:
    measures = (
        Measure(name="rto", title="RTO", value=math.inf, unit="s", objective=30, met=False),
        Measure(name="stale", title="Stale reads", value=None, unit="reads", note="the mix has no reads"),
    )
    trial = replace(sample_report.trials[1], verdict=Verdict(outcome="FAIL", reasons=(), measures=measures))
    rows = {line.split()[0]: line for line in drawn(verdict_table(trial)).splitlines() if line.strip()}
    assert rows["RTO"].split() == ["RTO", "never", "≤", "30", "s", "✘", "FAIL"]
    assert rows["Stale"].split() == ["Stale", "reads", "—", "the", "mix", "has", "no", "reads"]


def test_a_hostile_name_is_neither_markup_nor_escape(sample_report: Report) -> None:
    hostile = "[red]x[/red] :smile: \x1b[2J\x1b]0;owned\x07"
    trial = replace(sample_report.trials[1], title=hostile, target=hostile, explanation=(hostile,), experiment=hostile)
    text = drawn(verdict_table(trial), 160)
    assert "[red]x[/red]" in text
    assert ":smile:" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_skipped_trial_says_why(sample_report: Report) -> None:
    assert "SKIPPED zone-loss: needs host faults" in drawn(verdict_table(sample_report.trials[5]))
