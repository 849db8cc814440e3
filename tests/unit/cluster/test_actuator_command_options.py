"""What cannot be run is refused at the start, with the option that says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bascule.cluster.actuators import command, command_run
from bascule.cluster.agent.registry import choose, make_actuator
from bascule.cluster.programs.child import Ran
from bascule.kernel.errors import InputError

HOOKS: dict[str, Any] = {"kind": "command", "name": "web", "promote": ["up"], "demote": ["down"]}
RUN: dict[str, Any] = {"kind": "command", "name": "web", "run": ["it"], "check": ["look"]}


def made(document: Mapping[str, Any]) -> object:
    chosen, findings = choose(document, "actuator", "groups.g.actuators[0]")
    assert not findings, findings
    assert chosen is not None
    return make_actuator(chosen)


def test_an_agents_file_may_name_it() -> None:
    assert isinstance(made({**HOOKS, "promote_within": "3s", "check": ["test", "-e", "/x"]}), command.Hooks)
    assert isinstance(made({**RUN, "stop_within": "3s"}), command_run.RunningProgram)


@pytest.mark.parametrize(
    ("base", "changes", "where"),
    [
        (HOOKS, {"name": ""}, "name"),
        (HOOKS, {"name": "../../etc/x"}, "name"),
        (HOOKS, {"name": "x" * 64}, "name"),
        (HOOKS, {"promote": []}, "promote"),
        (HOOKS, {"demote": []}, "demote"),
        (HOOKS, {"demote": [""]}, "demote"),
        (HOOKS, {"promote": ["a\0b"]}, "promote"),
        (HOOKS, {"promote": ["a"] * 257}, "promote"),
        (HOOKS, {"promote": ["a", "b" * 70_000]}, "promote"),
        (HOOKS, {"check": [""]}, "check"),
        (HOOKS, {"promote_within": "0s"}, "promote_within"),
        (HOOKS, {"demote_within": "2h"}, "demote_within"),
        (HOOKS, {"state_directory": "run"}, "state_directory"),
        (HOOKS, {"state_directory": "/run\0"}, "state_directory"),
        (HOOKS, {"run": ["it"], "check": ["look"]}, "run"),
        (RUN, {"check": []}, "check"),
        (RUN, {"run": []}, "promote"),
        (RUN, {"demote": ["down"]}, "run"),
    ],
)
def test_what_cannot_be_run_is_refused(base: dict[str, Any], changes: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as refused:
        made({**base, **changes})
    assert refused.value.where == where


def test_how_a_program_ended_is_told_in_one_line() -> None:
    assert Ran(code=3, output="out", errors="one\n two\x1b[2J").why == "exit code 3: one two?[2J"
    assert Ran(code=-9).why == "it was ended by signal 9"
    assert Ran(code=None, output="the last").why == "it did not end in time: the last"
    assert len(Ran(code=1, errors="x" * 10_000).why) < 400
