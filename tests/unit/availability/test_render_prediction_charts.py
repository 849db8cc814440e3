from __future__ import annotations

import dataclasses
import re
from itertools import pairwise

import pytest
from msgspec.structs import replace
from prediction_sample import months, prediction

from bascule.availability.render.charts import columns_of, months_chart, months_words, recovery_chart
from bascule.availability.simulation.months import Histogram


def test_the_bars_of_months_add_up_to_all_of_them() -> None:
    columns = columns_of(months())
    none = months().histogram.zero / months().months
    assert len(columns) <= 40
    assert none + sum(one.share for one in columns) == pytest.approx(1.0)
    assert all(low.high_s == high.low_s for low, high in pairwise(columns))


def test_bars_beyond_the_budget_are_told_apart_and_the_budget_has_its_line() -> None:
    drawn = months_chart(months(), 1315.0)
    wide = drawn.partition("</svg>")[0]
    assert "budget 21 min 55 s" in wide
    under = [float(x) for x in re.findall(r'class="under" x="([\d.]+)"', wide)]
    over = [float(x) for x in re.findall(r'class="over" x="([\d.]+)"', wide)]
    line = float(re.findall(r'class="budget" d="M([\d.]+)', wide)[0])
    assert max(under) < line == pytest.approx(min(over), abs=0.11)


def test_months_without_any_downtime_are_drawn() -> None:
    calm = dataclasses.replace(months(), histogram=Histogram(10_000, (), ()))
    drawn = months_chart(calm, 100.0)
    assert drawn.count(">100 %<") == 2
    assert 'class="over"' not in drawn
    assert "nan" not in drawn


def test_a_histogram_of_very_many_bars_is_drawn_with_fewer() -> None:
    edges = tuple(1.01**number for number in range(304))
    fine = dataclasses.replace(months(), months=303, histogram=Histogram(0, edges, (1,) * 303))
    columns = columns_of(fine)
    assert len(columns) <= 40
    assert (columns[0].low_s, columns[-1].high_s) == (edges[0], edges[-1])
    assert sum(one.share for one in columns) == pytest.approx(1.0)


def test_what_the_months_say_is_told_in_sentences() -> None:
    said = months_words(prediction(), months())
    kept = "The promise is kept in 79.2 % of windows of 30 d (78.4 % to 80 %, 95 % sure)."
    assert said.startswith(f"{kept} Of all months 50 % exceed ")
    assert months_words(replace(prediction(), window_probability=None), months()) == said.removeprefix(f"{kept} ")


def test_the_parts_of_a_recovery_fill_its_bar_up_to_its_time() -> None:
    zone = prediction().recovery[1]
    drawn = recovery_chart(zone)
    pieces = re.findall(r'<rect class="p\d" x="([\d.]+)" width="([\d.]+)"', drawn)
    assert len(pieces) == 5
    x, width = map(float, pieces[-1])
    mark = float(re.findall(r'class="mark" x="([\d.]+)"', drawn)[0])
    assert x < mark < x + width
    assert mark == pytest.approx(1000 * 30.0 / (32.4 * 1.03), abs=0.1)
    assert (x + width + 1.5) / 1000 * 1.03 == pytest.approx(1.0, abs=0.002)


def test_a_recovery_that_nobody_notices_has_no_bar() -> None:
    calm = replace(prediction().recovery[0], rto_s=0.0, parts=())
    drawn = recovery_chart(calm)
    assert "<svg" not in drawn
    assert "Time without service: <b>none, 30 s promised</b>" in drawn
