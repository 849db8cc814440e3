"""A report as an OpenTelemetry trace: its spans, and the JSON mapping of OTLP."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from bascule.drill.render_trace import MOST_CHARACTERS, MOST_EVENTS, trace
from bascule.drill.report import Mark, Report, Trial
from bascule.measure.verdict import Instants, Measure, Outcome, Verdict

Json = dict[str, Any]
SPAN_KEYS = {
    "traceId": str, "spanId": str, "parentSpanId": str, "flags": int, "name": str, "kind": int,
    "startTimeUnixNano": str, "endTimeUnixNano": str, "attributes": list, "events": list, "droppedEventsCount": int,
    "status": dict,
}  # fmt: skip
VALUES: dict[str, type | tuple[type, ...]] = {
    "stringValue": str,
    "boolValue": bool,
    "intValue": str,
    "doubleValue": (int, float),
    "arrayValue": dict,
}


def spans_of(report: Report) -> list[Json]:
    document = json.loads(msgspec.json.encode(trace(report)))
    found: list[Json] = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return found


def said(span: Json) -> Json:
    return {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}


def below(spans: list[Json], parent: Json) -> list[Json]:
    return [one for one in spans if one["parentSpanId"] == parent["spanId"]]


def broken_rules(spans: list[Json]) -> list[str]:
    """Where the spans break the JSON mapping of OTLP, or the tree that they should be."""
    found = [] if len({one["spanId"] for one in spans}) == len(spans) else ["an id twice"]
    known = {one["spanId"]: one for one in spans}
    for one in spans:
        found += [f"{key}: {one.get(key)!r}" for key, kind in SPAN_KEYS.items() if type(one.get(key)) is not kind]
        found += [f"unknown {key}" for key in one.keys() - SPAN_KEYS.keys()]
        found += [] if re.fullmatch("[0-9a-f]{32}", str(one["traceId"])) and int(one["traceId"], 16) else ["traceId"]
        found += [] if re.fullmatch("[0-9a-f]{16}", str(one["spanId"])) and int(one["spanId"], 16) else ["spanId"]
        times = [one["startTimeUnixNano"], one["endTimeUnixNano"], *(event["timeUnixNano"] for event in one["events"])]
        found += [f"time {at!r}" for at in times if not re.fullmatch(r"\d{1,19}", str(at))]
        found += ["ends before it begins"] if int(times[1]) < int(times[0]) else []
        found += ["no parent"] if one["parentSpanId"] and one["parentSpanId"] not in known else []
        for attribute in [*one["attributes"], *(each for event in one["events"] for each in event["attributes"])]:
            ((kind, value),) = attribute["value"].items()
            found += [] if isinstance(value, VALUES[kind]) else [f"{attribute['key']}: {value!r}"]
    return found


def only(report: Report, trial: Trial) -> Report:
    return replace(report, trials=(trial,), outcome=trial.verdict.outcome)


def test_it_keeps_to_the_json_mapping_with_every_outcome(sample_report: Report) -> None:
    assert broken_rules(spans_of(sample_report)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("startTimeUnixNano", 5),
        ("traceId", "AB" * 16),
        ("kind", "SPAN_KIND_INTERNAL"),
        ("span_id", "1"),
        ("spanId", ""),
    ],
)
def test_the_check_of_the_mapping_finds_what_breaks_it(sample_report: Report, key: str, value: object) -> None:
    spans = spans_of(sample_report)
    spans[1][key] = value
    assert broken_rules(spans)


def test_one_trace_with_a_span_for_the_drill_and_each_trial(sample_report: Report) -> None:
    spans = spans_of(sample_report)
    assert len({one["traceId"] for one in spans}) == 1
    assert [one["name"] for one in spans if not one["parentSpanId"]] == ["drill taskmanagerpro"]
    trials = below(spans, spans[0])
    assert [said(one)["bascule.verdict"] for one in trials] == ["PASS", "PASS", "PASS", "FAIL", "INVALID", "SKIPPED"]
    assert [one["status"].get("code", 0) for one in trials] == [1, 1, 1, 2, 2, 0]
    assert "RTO 30.004 s of 30 s promised" in trials[3]["status"]["message"]
    assert below(spans, trials[5]) == []


def test_a_trial_has_its_phases_at_their_times_and_its_numbers(sample_report: Report) -> None:
    spans = spans_of(sample_report)
    kill = next(one for one in spans if one["name"] == "trial primary-kill")
    start = int(kill["startTimeUnixNano"])
    phases = {
        one["name"].split(" SIG")[0]: [
            round((int(one[key]) - start) / 1e9, 2) for key in ("startTimeUnixNano", "endTimeUnixNano")
        ]
        for one in below(spans, kill)
    }
    assert phases == {
        "steady load": [0.0, 10.18],
        "fault": [10.18, 38.2],
        "recovery": [10.18, 30.8],
        "redundancy": [38.2, 41.66],
    }
    told = said(kill)
    assert (told["bascule.target"], told["bascule.rto_s"], told["bascule.system"]) == (
        "database-paris-a-1", pytest.approx(20.62), "taskmanagerpro",
    )  # fmt: skip
    events = {one["name"] for one in kill["events"]}
    assert {"t0", "t1", "t2", "t3", "t4", "t5", "promoted", "server_down", "fault", "heal"} <= events
    (recovery,) = (one for one in below(spans, kill) if one["name"] == "recovery")
    assert [one["name"] for one in below(spans, recovery)] == ["detection", "failover", "client"]


def test_each_strike_of_a_timeline_is_a_span_with_its_undo_below(sample_report: Report) -> None:
    acts = (
        ("fault", "delay on a"),
        ("fault", "kill on b"),
        ("heal", "kill on b was undone"),
        ("heal", "delay on a was undone"),
    )
    marks = tuple(Mark(at_s=float(at_s), kind=kind, text=text) for at_s, (kind, text) in enumerate(acts, 1))
    spans = spans_of(only(sample_report, replace(sample_report.trials[1], marks=marks)))
    strikes = [one for one in spans if one["name"].startswith("fault ")]
    assert [one["name"] for one in strikes] == ["fault delay on a", "fault kill on b"]
    for one in strikes:
        (undo,) = below(spans, one)
        assert undo["startTimeUnixNano"] == one["endTimeUnixNano"]


def test_the_same_report_is_the_same_trace_and_another_is_another(sample_report: Report) -> None:
    assert trace(sample_report) == trace(sample_report)
    other = spans_of(replace(sample_report, seed=1))
    assert not {one["spanId"] for one in other} & {one["spanId"] for one in spans_of(sample_report)}


def test_what_never_recovered_is_an_error_with_no_number_for_it(sample_report: Report) -> None:
    kill = sample_report.trials[1]
    assert kill.started_s is not None
    t0_s = kill.started_s + 10.0
    never = Measure(name="rto", title="RTO", value=math.inf, unit="s", objective=30.0, met=False)
    verdict = Verdict(
        outcome="FAIL", reasons=("never",), instants=Instants(t0_s=t0_s, t1_s=t0_s + 1), measures=(never,)
    )
    spans = spans_of(only(sample_report, replace(kill, verdict=verdict)))
    assert broken_rules(spans) == []
    told = said(spans[1])
    assert told["bascule.rto"] == "never"
    assert "bascule.rto_s" not in told
    ended = {one["name"]: one["status"].get("code") for one in below(spans, spans[1])}
    assert (ended["recovery"], ended["redundancy"]) == (2, 2)


def test_a_weakness_that_was_expected_and_seen_is_no_error(sample_report: Report) -> None:
    known = replace(sample_report.trials[3], expected="FAIL")
    spans = spans_of(replace(only(sample_report, known), outcome="PASS"))
    assert [one["status"]["code"] for one in spans[:2]] == [1, 1]


def test_what_the_witness_saw_stands_at_the_fault(sample_report: Report) -> None:
    told = ("At 0 s the drill killed db (the witness saw: 21 processes (all) were hit).",)
    spans = spans_of(only(sample_report, replace(sample_report.trials[1], explanation=told)))
    fault = next(one for one in spans if one["name"].startswith("fault "))
    assert said(fault)["bascule.witness"] == "21 processes (all) were hit"


@pytest.mark.parametrize("outcome", ["PASS", "FAIL", "INVALID", "ABORTED"])
def test_a_hostile_report_gives_a_bounded_document(sample_report: Report, outcome: Outcome) -> None:
    marks = tuple(Mark(at_s=at_s, kind="\x1b[31mx\u202e", text="y" * 9_000) for at_s in (-1e300, math.nan, 1e300))
    many = tuple(Mark(at_s=1.0, kind="noticed", text="z") for _ in range(MOST_EVENTS + 5))
    instants = Instants(t0_s=1e300, t1_s=-1e300, t4_s=math.inf, t5_s=-1.0, healed_s=-1e300)
    trial = replace(
        sample_report.trials[1],
        verdict=Verdict(outcome=outcome, reasons=(), instants=instants),
        marks=(*marks, Mark(at_s=1e299, kind="fault", text=" on "), *many),
        duration_s=-1.0,
        started_s=-1e300,
        started_wall_s=1e18,
    )
    report = replace(only(sample_report, trial), system="<b>\x00\n", seed=2**80)
    spans = spans_of(report)
    assert broken_rules(spans) == []
    assert len(spans[1]["events"]) == MOST_EVENTS
    assert spans[1]["droppedEventsCount"] > 0
    assert "\x1b" not in json.dumps(spans, ensure_ascii=False)
    assert all(len(each) <= MOST_CHARACTERS for one in spans for each in said(one).values() if isinstance(each, str))
