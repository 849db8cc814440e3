from __future__ import annotations

import json

import pytest

from bascule.cluster.timeline import read, render
from bascule.kernel.errors import InputError

LINES = [
    '12.1 INFO {"fact": "BecameActive", "at_s": 100.5, "agent": "b", "group": "edge", "token": 7, "took_s": 0.01}',
    "Traceback (most recent call last):",
    '{"fact": "SessionStarted", "at_s": 100.0, "agent": "a", "session": "x"}',
    '{"fact": "StoreLost", "at_s": 101.0, "agent": "a", "why": "refused"}',
    '{"fact": "StoppedActing", "at_s": 101.25, "agent": "b", "group": "edge", "token": 7, "why": "it was ordered"}',
    '{"fact": 3, "at_s": "soon"}',
    "{" * 5000,
]


def test_facts_are_put_in_order_and_other_lines_are_passed_over() -> None:
    assert [one.fact for one in read(LINES)] == ["SessionStarted", "BecameActive", "StoreLost", "StoppedActing"]


def test_each_agent_has_a_column_and_a_bar_while_it_is_active() -> None:
    assert render(read(LINES), width=70).splitlines() == [
        "           a                            b                           ",
        "    0.000  + session",
        "    0.500                               ■ ACTIVE edge #7",
        "    1.000  ~ store lost refused         │",
        "    1.250                               □ stopped edge #7 it was or…",
    ]


def test_what_a_stranger_wrote_cannot_steer_the_terminal() -> None:
    line = json.dumps({"fact": "StoreLost", "at_s": 1, "agent": "a\x1b[2J", "why": "\x1b[31m\nx"})
    assert "\x1b" not in render(read([line]))


def test_nothing_is_said_to_be_nothing() -> None:
    assert "no fact" in render(read(["hello"]))


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(InputError):
        read("x" for _ in range(1_000_001))


def told(time: str, fact: str, agent: str, at_s: float = 0.0, **values: object) -> str:
    return json.dumps({"time": time, "level": "INFO", "fact": fact, "at_s": at_s, "agent": agent, **values})


def test_agents_of_machines_that_started_at_other_times_are_put_in_order_by_the_wall_clock() -> None:
    lines = [
        told("2026-11-26T12:00:00.500000+00:00", "BecameActive", "b", 5.0, group="g", token=1795694399970),
        told("2026-11-26T12:00:00.000000+00:00", "BecameActive", "a", 9000.0, group="g", token=1795694399932),
        told("2026-11-26T12:00:00.250000+00:00", "StoppedActing", "a", 9000.25, group="g", token=1795694399932),
    ]
    assert render(read(lines), width=50).splitlines() == [
        "from 2026-11-26 12:00:00.000+00:00",
        "           a                  b                 ",
        "    0.000  ■ ACTIVE g #…9932",
        "    0.250  □ stopped g #…9932",
        "    0.500                     ■ ACTIVE g #…9970",
    ]


def test_a_wall_clock_that_is_set_back_reorders_nothing_of_one_agent() -> None:
    lines = [
        told("2026-11-26T12:00:05+00:00", "BecameActive", "a", group="g", token=1),
        told("2026-11-26T11:00:00+00:00", "StoppedActing", "a", group="g", token=1),
        told("2026-11-26T12:00:05.1+00:00", "StoreLost", "a", why="x"),
    ]
    assert [one.fact for one in read(lines)] == ["BecameActive", "StoppedActing", "StoreLost"]


@pytest.mark.parametrize(
    "end",
    [
        told("2026-11-26T12:00:01+00:00", "PeerEnded", "b", peer="a", session="s", why="not renewed"),
        told("2026-11-26T12:00:01+00:00", "LeaderElected", "b", group="g", holder="b", token=8),
    ],
)
def test_a_killed_agents_bar_ends_where_another_one_tells_of_it(end: str) -> None:
    lines = [
        told("2026-11-26T12:00:00+00:00", "BecameActive", "a", group="g", token=7),
        end,
        told("2026-11-26T12:00:02+00:00", "BecameActive", "b", group="g", token=8),
    ]
    _, _, _, ended, last = render(read(lines), width=60).splitlines()
    assert ended[11] == "┆"
    assert last[11] == " "


def test_what_the_guardian_undid_ends_the_bar_too() -> None:
    lines = [
        told("2026-11-26T12:00:00+00:00", "BecameActive", "a", group="g", token=7),
        told("2026-11-26T12:00:01+00:00", "GuardianUndid", "a", group="g", why="its agent is gone"),
        told("2026-11-26T12:00:02+00:00", "BecameActive", "b", group="g", token=8),
    ]
    *_, undone, last = render(read(lines), width=90).splitlines()
    assert "undone by the guardian" in undone
    assert last[11] == " "


def test_times_that_are_none_are_passed_over() -> None:
    assert [one.at_s for one in read([told("soon", "StoreLost", "a", 3.0), told("9" * 99, "StoreLost", "a", 4.0)])] == [
        3,
        4,
    ]
