"""The fast forms of the measures against their definitions, written out naively."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bascule.measure.availability import worst_window
from bascule.measure.checkers import check_epochs, check_set
from bascule.measure.instants import Outage, Stability, outages, parts, stable_from
from bascule.measure.latency import percentile
from bascule.measure.records import Outcome, Record
from bascule.measure.statistics import clopper_pearson, incomplete_beta

KINDS: tuple[Outcome, ...] = ("good", "late", "failed", "unknown")
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(KINDS)


@st.composite
def writes(draw: st.DrawFn) -> Record:
    due = draw(st.integers(0, 40))
    wait = draw(st.integers(0, 3))
    return Record(
        number=draw(st.integers(0, 30)),
        operation="put",
        due_s=float(due),
        sent_s=float(due + wait),
        done_s=float(due + wait + draw(st.integers(0, 5))),
        outcome=draw(OUTCOMES),
        writes=draw(st.booleans()),
        epoch=draw(st.integers(0, 4)),
        server=draw(st.sampled_from(["", "a", "b"])),
    )


@given(st.lists(writes(), max_size=40), st.lists(st.integers(0, 40), max_size=40), st.integers(0, 45))
def test_the_set_checker_agrees_with_its_definition(history: list[Record], copies: list[int], t0: int) -> None:
    found = check_set(history, Counter(copies), float(t0))
    wrote = [r for r in history if r.writes]
    acked = {r.number for r in wrote if r.outcome in {"good", "late"}}
    assert found.lost == {n for n in acked if n not in copies}
    assert found.duplicated == {n for n in copies if copies.count(n) > 1}
    assert found.phantom == {n for n in copies if not any(r.number == n for r in wrote)}
    assert found.recovered_unknown == {r.number for r in wrote if r.number in copies and r.number not in acked}
    dated = {n: min(r.done_s for r in wrote if r.number == n and r.acknowledged) for n in found.lost}
    assert found.lost_after_fault == {n for n, done_s in dated.items() if done_s > t0}
    before = [t0 - done_s for done_s in dated.values() if done_s <= t0]
    assert found.rpo_time_s == max(before, default=0.0)


@given(st.lists(writes(), max_size=40))
def test_the_epoch_checker_agrees_with_its_definition(history: list[Record]) -> None:
    found = check_epochs(history)
    told = [r for r in history if r.writes and r.acknowledged and r.epoch > 0]
    stale = [r for r in told if any(o.epoch > r.epoch and o.done_s < r.sent_s for o in told)]
    assert found.stale == len(stale)
    servers = {epoch: {r.server for r in told if r.epoch == epoch and r.server} for epoch in range(1, 5)}
    assert (found.contested > 0) == any(len(names) > 1 for names in servers.values())


@st.composite
def observed(draw: st.DrawFn) -> list[Record]:
    kinds: list[Outcome] = draw(st.lists(OUTCOMES, max_size=40))
    gaps = draw(st.lists(st.integers(0, 4), min_size=len(kinds), max_size=len(kinds)))
    due = 0
    records: list[Record] = []
    for kind, gap in zip(kinds, gaps, strict=True):
        due += gap
        records.append(Record(len(records), "get", float(due), float(due), due + 0.5, kind))
    return records


@given(observed(), st.integers(1, 12))
def test_the_worst_window_agrees_with_every_window(records: list[Record], length: int) -> None:
    end = 60
    found = worst_window(records, 0.0, float(end), float(length))
    shares = []
    for quarter in range((end - length) * 4 + 1):
        t = quarter / 4
        inside = [r for r in records if t <= r.due_s < t + length and r.due_s < end]
        if inside:
            shares.append(sum(r.outcome == "good" for r in inside) / len(inside))
    assert (None if found is None else found.availability) == min(shares, default=None)
    if found is not None:
        inside = [r for r in records if found.start_s <= r.due_s < found.start_s + length]
        assert found.availability == sum(r.outcome == "good" for r in inside) / len(inside)


@given(observed(), st.integers(1, 6), st.integers(0, 10), st.sampled_from([0.5, 0.9, 1.0]))
def test_stability_agrees_with_its_definition(records: list[Record], k: int, s: int, target: float) -> None:
    end_s = 50.0
    found = stable_from(records, end_s, Stability(consecutive=k, seconds=float(s), target=target))
    for place, record in enumerate(records):
        run = records[place : place + k]
        # Operations due at one instant have an order all the same: the window begins with this one.
        window = [r for r in records[place:] if r.due_s < record.due_s + s]
        good = sum(r.outcome == "good" for r in window)
        assert found[place] == (
            len(run) == k
            and all(r.outcome == "good" for r in run)
            and good >= target * len(window) - 1e-9
            and record.due_s + s <= end_s
        )


@given(observed(), st.integers(1, 6), st.integers(0, 10), st.integers(0, 60))
def test_outages_hold_every_bad_operation_and_end_with_a_good_one(
    records: list[Record], k: int, s: int, from_s: int
) -> None:
    stability = Stability(consecutive=k, seconds=float(s))
    found = outages(records, float(from_s), 100.0, stability)
    for bad in (r for r in records if r.outcome != "good" and r.done_s >= from_s):
        assert any(o.start_s <= bad.due_s and (o.end_s is None or bad.due_s <= o.end_s) for o in found)
    goods = {r.done_s for r in records if r.outcome == "good"}
    assert all(o.end_s is None or o.end_s in goods for o in found)
    assert all(o.length_s >= 0 for o in found)


INSTANT = st.one_of(st.none(), st.floats(0, 100))


@given(st.floats(0, 100), INSTANT, INSTANT, INSTANT, st.floats(0, 2))
def test_the_parts_add_up_or_are_left_open_and_are_never_negative(
    t0: float, t2: float | None, t3: float | None, end: float | None, slack: float
) -> None:
    made = parts(Outage(start_s=t0, end_s=end), t0_s=t0, injected_s=max(0.0, t0 - 1), t2_s=t2, t3_s=t3, slack_s=slack)
    split = (made.detection_s, made.failover_s, made.client_s)
    assert made.rto_s >= 0
    assert all(part is None or part >= 0 for part in split)
    told = [part for part in split if part is not None]
    if len(told) == 3:
        assert math.isclose(sum(told), made.rto_s, abs_tol=1e-9)
    elif end is not None:
        assert made.note


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.floats(0.1, 100))
def test_the_percentile_is_the_smallest_value_that_covers_enough(values: list[float], percent: float) -> None:
    found = percentile(values, percent)
    assert found in values
    assert found is not None
    covers = sum(value <= found for value in values)
    assert covers >= len(values) * percent / 100 - 1e-6
    below = [value for value in values if value < found]
    assert len(below) < len(values) * percent / 100


@given(st.integers(1, 60), st.data())
def test_the_interval_holds_the_observed_share_and_cuts_the_promised_tails(trials: int, data: st.DataObject) -> None:
    met = data.draw(st.integers(0, trials))
    interval = clopper_pearson(met, trials)
    assert interval.low <= met / trials <= interval.high
    if 0 < met < trials:
        at_least = sum(
            math.comb(trials, k) * interval.low**k * (1 - interval.low) ** (trials - k) for k in range(met, trials + 1)
        )
        assert math.isclose(at_least, 0.025, abs_tol=1e-9)


@given(st.floats(0.01, 0.99), st.integers(1, 60), st.data())
def test_the_incomplete_beta_is_the_binomial_tail(p: float, n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    tail = sum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
    assert math.isclose(incomplete_beta(p, k, n - k + 1), tail, abs_tol=1e-9)
