"""Experiments of Chaos Toolkit in our words: what is carried over, what is not and why, and hostile ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bascule.cli.chaos_toolkit import yaml_of
from bascule.drill.chaos_toolkit.export import experiment
from bascule.drill.chaos_toolkit.importing import Imported, imported
from bascule.drill.chaos_toolkit.outline import Outline, PlannedDrill, PlannedFault
from bascule.drill.chaos_toolkit.reading import MAX_BYTES, read
from bascule.drill.chaos_toolkit.timeline import commands, experiments, name_of
from bascule.kernel.errors import BasculeError, InputError
from bascule.system import parse_experiments

FREEZE = PlannedFault(kind="process-freeze", parameters={"member": "db-1"}, for_s=3.0)


def action(func: str = "inject", module: str = "chaosbascule.actions", **arguments: object) -> dict[str, Any]:
    given = arguments or {"fault": "process-freeze", "parameters": {"member": "db-1"}}
    provider = {"type": "python", "module": module, "func": func, "arguments": given}
    return {"type": "action", "name": func, "provider": provider}


def of(*method: object, **more: object) -> Imported:
    return imported({"title": "t", "description": "d", "method": list(method), **more})


def why(found: Imported, where: str) -> str:
    (left,) = (each for each in found.left if each.where == where)
    return left.why


@pytest.mark.parametrize(
    "outline",
    [
        Outline(title="t", description="d", faults=(FREEZE,)),
        Outline(
            title="t",
            description="d",
            faults=(FREEZE, PlannedFault(kind="process-kill", parameters={"member": "db-2"}, at_s=4.0, for_s=2.0)),
        ),
        Outline(title="t", description="d", drills=(PlannedDrill(experiments=("primary-kill",), trials=3, hold="2s"),)),
    ],
)
def test_what_we_exported_comes_back_whole(outline: Outline) -> None:
    found = imported(experiment(outline, lab=".bascule/shop", system="shop.yaml"))
    assert found.outline == outline
    assert found.left == ()


def test_pauses_and_undoings_become_times() -> None:
    kill = {**action(fault="process-kill", parameters={"member": "db-2"}), "pauses": {"before": 1, "after": 2.5}}
    found = of(
        {**action(), "pauses": {"before": 2}}, kill, action("undo", fault="process-freeze"), action("wait_whole")
    )
    freeze, killed = found.outline.faults
    assert (freeze.at_s, freeze.for_s) == (2.0, 3.5)
    assert (killed.at_s, killed.for_s) == (3.0, 2.5)


def test_a_background_activity_holds_nothing_up() -> None:
    behind = {**action(fault="process-kill", parameters={"member": "a"}, hold_s=9), "background": True}
    first, second = of(behind, action(hold_s=1, fault="process-freeze", parameters={"member": "b"})).outline.faults
    assert (first.at_s, second.at_s) == (0.0, 0.0)


def test_values_come_from_the_configuration_and_never_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHO", "secret")
    parameters = {"member": "${who}"}
    plain = of(action(fault="process-kill", parameters=parameters), configuration={"who": "db-7"})
    assert plain.outline.faults[0].parameters == {"member": "db-7"}
    dynamic = {"who": {"type": "env", "key": "WHO", "default": "db-8"}}
    told = of(action(fault="process-kill", parameters=parameters), configuration=dynamic)
    assert told.outline.faults[0].parameters == {"member": "db-8"}
    assert "environment is not read" in why(told, "configuration.who")
    with pytest.raises(InputError, match="no value here"):
        of(action(fault="process-kill", parameters=parameters), configuration={"who": {"type": "env", "key": "WHO"}})


def test_what_cannot_be_carried_over_is_said_with_its_place_and_reason() -> None:
    process = {"type": "action", "name": "rm", "provider": {"type": "process", "path": "rm", "arguments": "-rf /"}}
    request = {"type": "action", "name": "post", "provider": {"type": "http", "url": "http://there/"}}
    hypothesis = {
        "title": "fine",
        "probes": [
            {"type": "probe", "name": "site", "tolerance": 200, "provider": {"type": "http", "url": "http://there/"}},
            {"type": "probe", "name": "own", "tolerance": True, "provider": {"type": "python", "module": "os"}},
        ],
    }
    found = of(
        action(),
        process,
        request,
        action(module="chaosaws.ec2.actions"),
        {"ref": "site"},
        rollbacks=[process],
        controls=[{"name": "c", "provider": {"type": "python", "module": "evil"}}],
        secrets={"s": {"k": {"type": "env", "key": "K"}}},
        runtime={"rollbacks": {"strategy": "never"}, "hypothesis": {"strategy": "continuously"}},
        unheard_of=1,
        **{"steady-state-hypothesis": hypothesis},
    )
    assert "a command is not run" in why(found, "method[1]")
    assert "a request is not run" in why(found, "method[2]")
    assert "code of others is not run" in why(found, "method[3]")
    assert "nothing is asked again" in why(found, "method[4]")
    assert "not run" in why(found, "rollbacks[0]")
    assert "not run" in why(found, "controls[0]")
    assert "passwords" in why(found, "secrets")
    assert "always undoes" in why(found, "runtime.rollbacks")
    assert "measures" in why(found, "runtime.hypothesis")
    assert "does not have it" in why(found, "unheard_of")
    assert "workload.operations" in why(found, "steady-state-hypothesis.probes[0]")
    assert "not run" in why(found, "steady-state-hypothesis.probes[1]")


@pytest.mark.parametrize(
    ("provider", "command"),
    [
        ({"path": "check", "arguments": ["-a", 1]}, ("check", "-a", "1")),
        ({"path": "check", "arguments": {"--to": "x"}}, ("check", "--to", "x")),
        ({"path": "check", "arguments": "-a b"}, ("check", "-a", "b")),
        ({"path": "check", "arguments": "-a $(reboot)"}, ()),
        ({"path": 3, "arguments": [None]}, ()),
    ],
)
def test_a_command_whose_tolerance_is_exit_code_0_becomes_the_probe(
    provider: dict[str, object], command: tuple[str, ...]
) -> None:
    probe = {"type": "probe", "name": "p", "tolerance": 0, "provider": {"type": "process", **provider}}
    found = of(action(), **{"steady-state-hypothesis": {"title": "t", "probes": [probe]}})
    assert found.command == command
    assert bool(found.left) is not bool(command)


@pytest.mark.parametrize(
    "method",
    [
        [],
        None,
        "x",
        [action(fault="no-such-fault", parameters={})],
        [action(fault=7, parameters={})],
        [action(fault="process-kill", parameters=[1])],
        [action("no_such_function", x=1)],
    ],
)
def test_an_experiment_without_any_fault_of_ours_is_refused(method: object) -> None:
    with pytest.raises(InputError, match="nothing of it is a fault"):
        imported({"title": "t", "method": method})


@pytest.mark.parametrize("seconds", [-1, 1e9, "x", float("nan"), float("inf"), [], "9" * 500])
def test_a_pause_that_is_no_time_is_said_and_counts_as_none(seconds: object) -> None:
    found = of({**action(), "pauses": {"before": seconds}})
    assert found.outline.faults[0].at_s == 0.0
    assert seconds == [] or "no number of seconds" in why(found, "method[0].pauses")


def test_what_is_written_can_be_read_as_experiments_of_a_system_file() -> None:
    many = PlannedFault(kind="partition", parameters={"hosts": ["a", "b"]}, at_s=1.5)
    outline = Outline(title="Über: 'all' #1", description="two\nlines", faults=(FREEZE, many))
    name = name_of(outline.title)
    text = yaml_of(experiments(Imported(outline=outline, command=("check", "- x: y")), name))
    scenario = parse_experiments(text, "it", lambda _: ())[name]
    assert [step.fault for step in scenario.timeline] == ["process-freeze", "partition"]
    assert (scenario.timeline[0].on.member, scenario.timeline[1].on.member) == ("db-1", "a")
    assert scenario.timeline[1].settings == {"hosts": ["a", "b"]}
    assert scenario.steady.probe is not None
    assert scenario.steady.probe.command == ("check", "- x: y")


def test_a_drill_is_told_as_its_command() -> None:
    found = of(action("drill", system="s", experiments=["host-loss"], trials=2))
    assert commands(found, "my.yaml") == (
        ("bascule", "drill", "my.yaml", "--experiment", "host-loss", "--trials", "2"),
    )
    assert experiments(found, "x") == {}


@pytest.mark.parametrize(
    ("text", "is_json", "told"),
    [
        (b"[" * 100_000, True, "no JSON"),
        (b"{" * 30_000, False, "nested"),
        (json.dumps({"a": 1}).encode().replace(b"1", b"[" * 40 + b"]" * 40), True, "nested deeper"),
        (b"[]", True, "no mapping"),
        (b"\xff\xfe", True, "no JSON"),
        (b"\xff\xfe", False, "UTF-8"),
        (b" " * (MAX_BYTES + 1), True, "larger than"),
        (json.dumps({"a": list(range(30_000))}).encode(), True, "more than"),
        (b"a: &a [1]\nb: *a\n", False, "not allowed"),
        (b"a: !!python/object/apply:os.system [reboot]\n", False, "not allowed"),
        (b"a: 1\na: 2\n", False, "duplicate key"),
        (b"", False, "empty"),
    ],
)
def test_a_hostile_file_is_refused_in_one_sentence(text: bytes, is_json: bool, told: str) -> None:
    with pytest.raises(BasculeError, match=told):
        read(text, "it", is_json=is_json)


def test_values_put_into_values_do_not_grow_without_bound() -> None:
    long = "${a}" * 1000
    found = of(action(fault="process-kill", parameters={"member": "m", "x": long}), configuration={"a": "y" * 100_000})
    assert len(str(found.outline.faults[0].parameters["x"])) <= 200 * 1000


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
WORDS = st.sampled_from(
    ["title", "type", "module", "func", "fault", "parameters", "before", "after", "default", "strategy", "hold_s"]
    + 3 * ["chaosbascule.actions", "chaosbascule.probes", "inject", "undo", "drill", "process-kill", "process"]
)
ANYTHING = LEAVES | WORDS | st.lists(LEAVES | WORDS, max_size=3) | st.dictionaries(WORDS, LEAVES | WORDS, max_size=3)
PROVIDER = st.fixed_dictionaries(
    {},
    optional={
        "type": WORDS,
        "module": WORDS,
        "func": WORDS,
        "path": ANYTHING,
        "arguments": ANYTHING | st.fixed_dictionaries({"fault": WORDS, "parameters": ANYTHING, "hold_s": ANYTHING}),
    },
)
ACTIVITY = ANYTHING | st.fixed_dictionaries(
    {"provider": PROVIDER | ANYTHING}, optional={"pauses": ANYTHING, "name": ANYTHING, "tolerance": ANYTHING}
)
ACTIVITIES = ANYTHING | st.lists(ACTIVITY, max_size=4)
DOCUMENT = st.fixed_dictionaries(
    {"method": ACTIVITIES},
    optional={
        "title": ANYTHING,
        "steady-state-hypothesis": ANYTHING | st.fixed_dictionaries({"probes": ACTIVITIES}),
        "configuration": ANYTHING,
        "runtime": ANYTHING,
        "controls": ACTIVITIES,
        "rollbacks": ACTIVITIES,
    },
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENT)
def test_whatever_the_document_is_it_is_carried_over_or_refused(document: dict[str, Any]) -> None:
    try:
        found = imported(document)
    except InputError:
        return
    yaml_of(experiments(found, name_of(found.outline.title)))
