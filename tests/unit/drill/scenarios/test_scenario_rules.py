"""What is wrong with an experiment is found on paper, and told at its place."""

from pathlib import Path

import pytest
from paper import findings, shop

from bascule.cli.system_file import with_experiments
from bascule.drill.scenarios import rules
from bascule.system import SystemFileError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("timeline: [{fault: process-kil}]", "timeline[0].fault: no fault is called 'process-kil'"),
        ("timeline: [{at: 1s}]", "timeline[0]: it names no fault"),
        (
            "timeline: [{fault: process-kill, one_of: [{fault: process-kill}]}]",
            "timeline[0]: it names a fault and several to choose from",
        ),
        ("timeline: [{fault: process-kill, on: {component: stor}}]", "timeline[0]: unknown component 'stor'"),
        ("timeline: [{fault: process-kill, on: {zone: west}}]", "timeline[0]: unknown zone 'west'"),
        (
            "timeline: [{fault: network-delay, with: {delay: 1}}]",
            "timeline[0].with: network-delay has no parameter 'delay'",
        ),
        (
            "timeline: [{fault: network-delay, with: {delay_s: -1}}]",
            "timeline[0]: network-delay: Expected `float` > 0.0",
        ),
        ("timeline: [{fault: network-delay}]", "timeline[0]: network-delay: Object missing required field `delay_s`"),
        (
            "timeline: [{fault: process-kill, with: {member: other}}]",
            "timeline[0].with: process-kill has no parameter 'member'",
        ),
        (
            "timeline: [{fault: network-cut, with: {peers: [nowhere]}}]",
            "timeline[0]: 'nowhere' names no host",
        ),
        ("timeline: [{fault: process-kill, for: 0s}]", "timeline[0].for: it would be undone at once"),
        (
            "timeline: [{fault: process-kill, repeat: {every: 5s, times: 2}}]",
            "timeline[0].repeat: the next would come before the last is undone",
        ),
        (
            "timeline: [{fault: process-kill, for: 1s, repeat: {every: 5s}}]",
            "timeline[0].repeat: how often it shall be repeated is not said",
        ),
        (
            "timeline: [{fault: process-slow, ramp: {parameter: share, start: 0.1, to: 0.5}}]",
            "timeline[0].ramp: it has no time to grow in",
        ),
        (
            "timeline: [{fault: process-slow, for: 5s, ramp: {parameter: share, start: 0.1, to: 5}}]",
            "timeline[0]: process-slow: Expected `float` <= 0.8",
        ),
        ("timeline: [{fault: process-kill, at: 2h}]", "timeline[0]: the timeline takes 7200 s"),
        (
            "timeline: [{fault: process-kill, for: 1s, repeat: {every: 2s, times: 200}}, {fault: process-kill}]",
            "timeline: it has too many strikes",
        ),
        (
            "timeline: [{fault: process-kill, on: {component: quorum}}]",
            "timeline[0].on: no healthy member of quorum would be left",
        ),
        (
            "timeline: [{fault: process-kill, on: standbys}, {at: 1s, fault: process-kill, on: primary}]",
            "timeline: at 1 s, with what acts then, no healthy member of store would be left",
        ),
        (
            "timeline: [{fault: process-kill, on: standbys}, {fault: process-kill, on: primary}]",
            "timeline: at 0 s, with what acts then, no healthy member of store would be left",
        ),
        (
            "timeline: [{fault: process-kill, on: {component: quorum, count: 1}}]\ngrades: [1%, 100%]",
            "timeline[0].on: no healthy member of quorum would be left",
        ),
        (
            "timeline: [{fault: partition, for: 5s}, {at: 4s, fault: partition, for: 5s}]",
            "timeline[1]: two partitions overlap",
        ),
        (
            "timeline: [{fault: process-kill}]\nsteady: {for: 0s}",
            "steady.for: nothing would show that all was well before",
        ),
        ("timeline: [{fault: process-kill}]\nsteady: {for: 2h}", "steady.for: 2h is too long"),
        ("timeline: [{fault: process-kill}]\nobjectives: {rto: 31d}", "objectives.rto: 31d is too long"),
        ("timeline: [{fault: process-kill}]\nobjectives: {rto: 1s, rpo: 31d}", "objectives.rpo: 31d is too long"),
        ("timeline: [{fault: process-kill}]\ngrades: [1%, zone, 1%]", "grades: a grade stands there twice"),
        (
            "timeline: [{fault: process-kill}]\nexpect: {outcome: FAIL, misses: [rpo_write]}",
            "expect.misses: no objective is called 'rpo_write'",
        ),
        (
            "timeline: [{fault: process-kill}]\nexpect: {misses: [rto]}",
            "expect.misses: what misses an objective does not PASS",
        ),
        ("timeline: [{fault: process-kill}]\nload: {rate: 30000/s}", "load.rate: 30000/s cannot be offered"),
        ("timeline: [{fault: process-kill}]\nload: {times: 1000}", "load.times: 50000/s cannot be offered"),
        ("timeline: [{fault: process-kill}]\nstop: {over: 60s}", "stop.over: 1m cannot be watched"),
        ("timeline: [{fault: process-kill}]\nblast: {share: 0%}", "blast.share: nothing could be hit"),
        (
            "timeline: [{fault: process-kill}]\nstop: {probe: {command: [x], timeout: 0s}}",
            "stop.probe.timeout: 0s is no time limit",
        ),
        (
            "timeline: [{fault: process-kill, starts_clock: true}, {at: 1s, fault: process-kill, starts_clock: true}]",
            "timeline: several steps start the clock",
        ),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, told: str) -> None:
    assert any(one.startswith(told) for one in findings(text)), findings(text)


@pytest.mark.parametrize(
    "text",
    [
        "timeline: [{fault: process-kill}]",
        "timeline: [{fault: partition, for: 5s}, {at: 5s, fault: partition, for: 5s}]",
        "timeline: [{fault: process-kill, on: {component: quorum}}]\nblast: {last: true}",
        "timeline: [{fault: process-kill, for: 2s, on: standbys}, {at: 2s, fault: process-kill}]",
        "timeline: [{fault: network-cut, with: {peers: [south, cache], direction: in}}]",
    ],
)
def test_a_sound_experiment_has_no_finding(text: str) -> None:
    assert findings(text) == []


def test_the_grade_at_which_too_much_would_be_hit_is_told() -> None:
    (told,) = findings("timeline: [{fault: process-kill, on: {component: quorum}}]\ngrades: [1%, 100%]")
    assert told.endswith("(at grade 100%)")


def test_an_experiment_of_a_file_of_its_own_is_told_with_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "chaos.yaml"
    path.write_text("experiments:\n  one:\n    timeline:\n      - {fault: process-kill, on: {component: stor}}\n")
    with pytest.raises(SystemFileError) as caught:
        with_experiments(shop(), path)
    assert f"{path}:4:9: experiments.one.timeline[0]: unknown component 'stor' (did you mean 'store'?)" in str(
        caught.value
    )


def test_soft_needs_alone_are_dependencies() -> None:
    assert rules.dependencies(shop()) == ("cache",)
