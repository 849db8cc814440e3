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
        "    1.250                               □ stopped edge #7 it was ord",
    ]


def test_what_a_stranger_wrote_cannot_steer_the_terminal() -> None:
    line = json.dumps({"fact": "StoreLost", "at_s": 1, "agent": "a\x1b[2J", "why": "\x1b[31m\nx"})
    assert "\x1b" not in render(read([line]))


def test_nothing_is_said_to_be_nothing() -> None:
    assert "no fact" in render(read(["hello"]))


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(InputError):
        read("x" for _ in range(1_000_001))
