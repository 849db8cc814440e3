"""A unit follows the lease, and runs for no other reason; with a real service manager where one can be had."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.rig_command import has_children, run, term
from tests.real.cluster.rig_systemd import StandInRig, UserManagerRig, user_manager_rig

from bascule.cluster.actuators import systemd
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real


@pytest.fixture
def rig(tmp_path: Path) -> StandInRig:
    return StandInRig(tmp_path)


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserManagerRig]:
    with user_manager_rig(tmp_path_factory.mktemp("manager")) as rig:
        yield rig


# -- with a stand-in for systemctl


def promote(rig: StandInRig, **options: Any) -> None:
    run(systemd.make(rig.options(**options)).promote(term()))


def said(rig: StandInRig) -> list[str]:
    """The verbs that it was told."""
    return [next(word for word in one if not word.startswith("-")) for one in rig.get("said")]


@pytest.mark.parametrize("state", ["enabled", "enabled-runtime"])
def test_a_unit_that_would_start_at_boot_is_refused(rig: StandInRig, state: str) -> None:
    rig.set(UnitFileState=state)
    with pytest.raises(ActuatorError, match="start by itself at boot") as raised:
        promote(rig)
    assert raised.value.hint == "systemctl disable web.service"
    assert raised.value.where == "systemd web.service"
    assert "start" not in said(rig)


@pytest.mark.parametrize("name", ["WantedBy", "RequiredBy", "BoundBy", "UpheldBy", "TriggeredBy"])
def test_a_unit_that_another_one_would_start_is_refused(rig: StandInRig, name: str) -> None:
    rig.set(**{"UnitFileState": "static", name: "other.target"})
    with pytest.raises(ActuatorError, match=f"another unit may start it, with no lease: {name}=other.target"):
        promote(rig)
    assert "start" not in said(rig)


@pytest.mark.parametrize("load", ["not-found", "masked", "bad-setting", "error"])
def test_a_unit_that_is_not_there_is_refused(rig: StandInRig, load: str) -> None:
    rig.set(LoadState=load)
    with pytest.raises(ActuatorError, match=f"no such unit: {load}"):
        promote(rig)


def test_where_there_is_no_such_unit_nothing_has_to_be_stopped(rig: StandInRig) -> None:
    rig.set(LoadState="not-found")
    run(rig.actuator().demote())
    assert said(rig) == ["show"]


def test_one_that_failed_before_is_not_held_up_by_its_limit_of_starts(rig: StandInRig) -> None:
    rig.set(ActiveState="failed", SubState="failed")
    promote(rig)
    assert "reset-failed" in said(rig)
    assert rig.is_so()


def test_one_that_fails_is_told_with_systemds_words(rig: StandInRig) -> None:
    rig.set(mood="fails")
    with pytest.raises(ActuatorError, match=r"did not start it: exit code 1: Job for web\.service failed") as raised:
        promote(rig)
    assert raised.value.hint == "journalctl -u web.service"


def test_one_that_comes_and_goes_is_not_there(rig: StandInRig) -> None:
    rig.set(mood="oneshot")
    with pytest.raises(ActuatorError, match=r"it was started, and is inactive \(dead\)"):
        promote(rig)


def test_one_that_does_not_become_active_in_time_is_stopped_again(rig: StandInRig) -> None:
    rig.set(mood="starting")
    with pytest.raises(ActuatorError, match="it was started, and is activating"):
        promote(rig, start_within=Duration(0.3))
    assert said(rig)[-1] == "stop"


def test_a_start_that_is_cancelled_is_taken_back(rig: StandInRig) -> None:
    rig.set(mood="slow")

    async def scenario() -> None:
        task = asyncio.create_task(systemd.make(rig.options(start_within=Duration(100))).promote(term()))
        await asyncio.to_thread(wait_until, lambda: "start" in said(rig), "it is not started")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) <= 2

    run(scenario())
    assert said(rig)[-1] == "stop", "systemd goes on with a start that nobody waits for any more"
    assert not has_children()


def test_a_stop_that_is_cancelled_becomes_a_kill(rig: StandInRig) -> None:
    promote(rig)
    rig.set(mood="stubborn")

    async def scenario() -> None:
        task = asyncio.create_task(systemd.make(rig.options(stop_within=Duration(100))).demote())
        await asyncio.to_thread(wait_until, lambda: rig.get("ActiveState") == "deactivating", "it is not stopped")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())
    assert said(rig)[-1] == "kill"
    assert not has_children()


def test_one_that_does_not_stop_in_time_is_killed(rig: StandInRig) -> None:
    promote(rig)
    rig.set(mood="stubborn")
    run(systemd.make(rig.options(stop_within=Duration(0.2))).demote())
    assert not rig.is_so()
    assert "kill" in said(rig)


def test_one_that_takes_its_time_is_killed_before_the_validity_ends(rig: StandInRig) -> None:
    async def scenario() -> None:
        actuator = systemd.make(rig.options(stop_within=Duration(3600)))
        await actuator.promote(term())
        rig.set(mood="stubborn")
        actuator.extend(term(left_s=0.5))
        await actuator.demote()

    run(scenario())
    assert "kill" in said(rig)


def test_what_a_stopped_unit_leaves_is_killed(rig: StandInRig) -> None:
    promote(rig)
    rig.set(mood="leaves")
    run(rig.actuator().demote())
    assert said(rig)[-2:] == ["kill", "show"]


def test_one_that_cannot_be_killed_is_told(rig: StandInRig) -> None:
    promote(rig)
    rig.set(mood="immortal")
    with pytest.raises(ActuatorError, match="stopped and killed, and is active") as raised:
        run(systemd.make(rig.options(stop_within=Duration(0.1))).demote())
    assert raised.value.hint


def test_without_the_right_to_it_the_hint_says_so(rig: StandInRig) -> None:
    rig.set(mood="denied")
    with pytest.raises(ActuatorError, match="Access denied") as raised:
        promote(rig)
    assert "polkit" in raised.value.hint


def test_garbage_is_no_state(rig: StandInRig) -> None:
    rig.set(mood="garbage")
    with pytest.raises(ActuatorError, match="no LoadState"):
        promote(rig)
    assert run(rig.actuator().look()) == "unknown"


def test_nothing_is_started_once_the_validity_has_ended(rig: StandInRig) -> None:
    with pytest.raises(ActuatorError, match="validity has ended"):
        run(rig.actuator().promote(term(left_s=0.0)))
    assert not rig.is_so()


@pytest.mark.parametrize(
    ("active", "tasks", "seen"),
    [
        ("active", "3", "active"),
        ("reloading", "3", "active"),
        ("inactive", "[not set]", "passive"),
        ("inactive", "18446744073709551615", "passive"),
        ("failed", "0", "passive"),
        ("inactive", "2", "unknown"),
        ("activating", "1", "unknown"),
        ("deactivating", "1", "unknown"),
        ("maintenance", "1", "unknown"),
    ],
)
def test_a_state_is_read_for_what_it_means(rig: StandInRig, active: str, tasks: str, seen: str) -> None:
    rig.set(ActiveState=active, TasksCurrent=tasks)
    assert run(rig.actuator().look()) == seen


def test_a_systemctl_that_is_not_there_is_told() -> None:
    actuator = systemd.make(systemd.Options(unit="web.service", systemctl="/nowhere/systemctl"))
    with pytest.raises(ActuatorError, match="systemctl cannot be run") as raised:
        run(actuator.demote())
    assert raised.value.hint == "/nowhere/systemctl"
    assert run(actuator.look()) == "unknown"


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": ""},
        {"unit": "web"},
        {"unit": "--help.service"},
        {"unit": "a b.service"},
        {"unit": "a;b.service"},
        {"unit": "*.service"},
        {"unit": "web.service\n"},
        {"unit": "../web.service"},
        {"unit": "x" * 300 + ".service"},
        {"start_within": Duration(0)},
        {"stop_within": Duration(7200)},
        {"timeout": Duration(0)},
        {"systemctl": ""},
    ],
)
def test_what_is_no_unit_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        systemd.make(systemd.Options(**{"unit": "web.service", **changes}))
    assert refused.value.where in changes


# -- with a real service manager


def on(manager: UserManagerRig, name: str, *lines: str, install: str = "", **options: Any) -> systemd.SystemdUnit:
    manager.unit(name, *lines, install=install)
    assert manager.systemctl("daemon-reload").returncode == 0
    return systemd.make(manager.options(unit=name, **options))


def test_a_real_unit_lives_as_long_as_the_term(manager: UserManagerRig) -> None:
    async def scenario() -> None:
        actuator = manager.actuator()
        assert await actuator.look() == "passive"
        await actuator.promote(term())
        assert manager.is_so()
        assert await actuator.look() == "active"
        await actuator.demote()
        assert not manager.is_so()

    run(scenario())


def test_a_real_unit_that_is_enabled_is_refused_until_it_is_not(manager: UserManagerRig) -> None:
    line = f"ExecStart={manager.flock} -x /mnt/lock sleep 1000"
    actuator = on(manager, "boots.service", line, install="WantedBy=default.target")
    assert manager.systemctl("enable", "boots.service").returncode == 0
    with pytest.raises(ActuatorError, match="start by itself at boot") as raised:
        run(actuator.promote(term()))
    assert raised.value.hint == "systemctl disable boots.service"
    assert manager.systemctl("disable", "boots.service").returncode == 0
    run(actuator.promote(term()))
    run(actuator.demote())


def test_a_real_unit_that_a_socket_would_start_is_refused(manager: UserManagerRig) -> None:
    (manager.units / "called.socket").write_text("[Socket]\nListenStream=/mnt/called\n")
    actuator = on(manager, "called.service", "ExecStart=/bin/sleep 1000")
    assert manager.systemctl("start", "called.socket").returncode == 0
    try:
        with pytest.raises(ActuatorError, match=r"TriggeredBy=called\.socket"):
            run(actuator.promote(term()))
    finally:
        assert manager.systemctl("stop", "called.socket").returncode == 0


def test_a_real_unit_that_fails_is_told(manager: UserManagerRig) -> None:
    actuator = on(manager, "fails.service", "Type=oneshot", "ExecStart=/bin/false")
    with pytest.raises(ActuatorError, match="did not start it: exit code 1"):
        run(actuator.promote(term()))
    assert run(actuator.look()) == "passive"
    for _ in range(8):  # more than StartLimitBurst
        with pytest.raises(ActuatorError) as raised:
            run(actuator.promote(term()))
        assert "start-limit" not in raised.value.what


def test_a_real_unit_that_does_not_exist_is_told(manager: UserManagerRig) -> None:
    actuator = systemd.make(manager.options(unit="nowhere.service"))
    with pytest.raises(ActuatorError, match="no such unit: not-found"):
        run(actuator.promote(term()))
    run(actuator.demote())


def test_a_real_unit_that_does_not_want_to_stop_is_killed(manager: UserManagerRig) -> None:
    stubborn = f"ExecStart={manager.flock} -x /mnt/lock sh -c \"trap '' TERM; while :; do sleep 1000; done\""
    actuator = on(
        manager, "stubborn.service", stubborn, "KillMode=mixed", "TimeoutStopSec=900", stop_within=Duration(0.3)
    )

    async def scenario() -> None:
        await actuator.promote(term())
        assert manager.is_so()
        await actuator.demote()

    run(scenario())
    assert not manager.is_so()


def test_what_hides_from_everything_else_cannot_leave_a_control_group(manager: UserManagerRig) -> None:
    """Another session, no parent, another environment: what `command` does not find (see its test)."""
    hiding = f'ExecStart={manager.flock} -x /mnt/lock sh -c "(env -i setsid sleep 1000 &) ; sleep 1000"'

    async def scenario(actuator: systemd.SystemdUnit) -> None:
        await actuator.promote(term())
        assert manager.is_so()
        await actuator.demote()
        assert not manager.is_so()

    run(scenario(on(manager, "hides.service", hiding)))
    run(scenario(on(manager, "hides.service", hiding, "KillMode=mixed")))


@pytest.mark.parametrize("mode", ["process", "none"])
def test_a_real_unit_that_would_leave_some_of_it_is_refused(manager: UserManagerRig, mode: str) -> None:
    actuator = on(manager, "leaves.service", "ExecStart=/bin/sleep 1000", f"KillMode={mode}")
    with pytest.raises(ActuatorError, match=f"with KillMode={mode} what it started goes on"):
        run(actuator.promote(term()))


def test_a_real_start_that_is_cancelled_is_taken_back(manager: UserManagerRig) -> None:
    slow = (f"ExecStartPre={manager.flock} -x /mnt/lock sleep 1000", "ExecStart=/bin/sleep 1000")
    actuator = on(manager, "slow.service", *slow, "TimeoutStartSec=900", start_within=Duration(600))

    async def scenario() -> None:
        task = asyncio.create_task(actuator.promote(term()))
        await asyncio.to_thread(wait_until, manager.is_so, "it is not started")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(wait_until, lambda: not manager.is_so(), "it goes on")
        await actuator.demote()
        assert await actuator.look() == "passive"

    run(scenario())


def test_a_real_unit_that_is_restarted_by_systemd_is_stopped_for_good(manager: UserManagerRig) -> None:
    actuator = on(manager, "again.service", "ExecStart=/bin/sleep 0.01", "Restart=always", "RestartSec=100ms")

    async def scenario() -> None:
        try:
            await actuator.promote(term())
        finally:
            await actuator.demote()
        for _ in range(5):
            assert await actuator.look() == "passive"

    run(scenario())
