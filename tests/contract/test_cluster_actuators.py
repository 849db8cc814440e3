"""What the agent relies on in all that follows a lease, held against the real thing: one answer for all.

A new actuator is held to it by one line in `PLUGS`.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar, cast

import pytest
from tests.real.cluster.daemons import DEADLINE_S
from tests.real.cluster.rig import Plug, Rig, Served
from tests.real.cluster.rig_bgp import birds_rig, exabgp_rig
from tests.real.cluster.rig_command import hooks_rig, run_rig
from tests.real.cluster.rig_dns import named_rig
from tests.real.cluster.rig_haproxy import haproxy_rig
from tests.real.cluster.rig_patroni import patroni_rig
from tests.real.cluster.rig_route53 import route53_rig
from tests.real.cluster.rig_systemd import stand_in_rig, user_manager_rig

from bascule.cluster.actuators.port import Actuator, Term
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import ActuatorError

pytestmark = pytest.mark.real
T = TypeVar("T")
PLUGS: dict[str, Plug] = {
    "bgp": Plug(make=birds_rig),
    "bgp-exabgp": Plug(make=exabgp_rig),
    "command": Plug(make=hooks_rig, is_served=False),
    "command-run": Plug(make=run_rig, is_served=False),
    "dns": Plug(make=named_rig),
    "haproxy": Plug(make=haproxy_rig),
    "patroni": Plug(make=patroni_rig),
    "route53": Plug(make=route53_rig),
    "systemd": Plug(make=stand_in_rig, is_served=False),
    "systemd-user": Plug(make=user_manager_rig),
}
CANCEL_AFTER_S = 0.2
tokens = iter(range(1, 10**9))


def term() -> Term:
    return Term(cluster="east", group="edge", agent="a", token=next(tokens), until_s=BootClock().monotonic_s() + 3600)


def run(doing: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(doing, DEADLINE_S))


@pytest.fixture(scope="module")
def rigs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with PLUGS[request.param].make(tmp_path_factory.mktemp(request.param)) as rig:
        yield rig


@pytest.fixture
def rig(rigs: Rig) -> Iterator[Rig]:
    yield rigs

    async def clean_up() -> None:
        actuator = rigs.actuator()
        await actuator.demote()
        await actuator.close()

    run(clean_up())


@pytest.fixture
def served(rig: Rig) -> Iterator[Served]:
    served = cast("Served", rig)
    yield served
    served.start()


def for_plugs(*, are_served: bool = False) -> pytest.MarkDecorator:
    names = [name for name, plug in PLUGS.items() if plug.is_served or not are_served]
    return pytest.mark.parametrize("rigs", names, indirect=True)


for_all = for_plugs()
for_served = for_plugs(are_served=True)


@for_all
def test_it_is_so_once_it_was_promoted_and_no_longer_once_it_was_demoted(rig: Rig) -> None:
    async def scenario(actuator: Actuator) -> None:
        assert actuator.name
        await actuator.promote(term())
        assert rig.is_so()
        await actuator.demote()
        assert not rig.is_so()
        await actuator.close()

    run(scenario(rig.actuator()))


@for_all
def test_once_more_changes_nothing(rig: Rig) -> None:
    async def scenario(actuator: Actuator) -> None:
        now = term()
        for _ in range(2):
            await actuator.promote(now)
            assert rig.is_so()
        for _ in range(2):
            await actuator.demote()
            assert not rig.is_so()
        await actuator.close()

    run(scenario(rig.actuator()))


@for_all
def test_what_was_never_promoted_can_be_demoted(rig: Rig) -> None:
    async def scenario(actuator: Actuator) -> None:
        await actuator.demote()
        assert not rig.is_so()
        assert await actuator.look() == "passive"
        await actuator.close()

    run(scenario(rig.actuator()))


@for_all
def test_a_look_says_how_it_is_and_changes_nothing(rig: Rig) -> None:
    async def scenario(actuator: Actuator) -> None:
        await actuator.demote()
        assert [await actuator.look() for _ in range(2)] == ["passive", "passive"]
        assert not rig.is_so()
        await actuator.promote(term())
        assert [await actuator.look() for _ in range(2)] == ["active", "active"]
        assert rig.is_so()
        await actuator.close()

    run(scenario(rig.actuator()))


@for_all
def test_it_can_be_closed_unused_and_once_more(rig: Rig) -> None:
    async def scenario(actuator: Actuator) -> None:
        await actuator.close()
        await actuator.close()

    run(scenario(rig.actuator()))


@for_all
def test_one_term_follows_another(rig: Rig) -> None:
    async def scenario(actuator: Actuator) -> None:
        for _ in range(3):
            now = term()
            await actuator.promote(now)
            actuator.extend(now)
            assert rig.is_so()
            await actuator.demote()
        await actuator.promote(term())
        await actuator.promote(term())
        assert rig.is_so()
        await actuator.close()

    run(scenario(rig.actuator()))


@for_all
def test_what_a_crash_left_is_demoted_by_the_next_process(rig: Rig) -> None:
    async def crashed(actuator: Actuator) -> None:
        await actuator.promote(term())
        await actuator.close()

    async def next_process(actuator: Actuator) -> None:
        assert rig.is_so()
        await actuator.demote()
        assert not rig.is_so()
        await actuator.close()

    run(crashed(rig.actuator()))
    run(next_process(rig.actuator()))


@for_served
def test_without_its_daemon_it_says_what_is_wrong_and_where_and_what_to_do(served: Served) -> None:
    async def scenario(actuator: Actuator) -> None:
        assert await actuator.look() == "unknown"
        with pytest.raises(ActuatorError) as promoting:
            await actuator.promote(term())
        with pytest.raises(ActuatorError) as demoting:
            await actuator.demote()
        for error in (promoting.value, demoting.value):
            assert error.what
            assert error.where
            assert error.hint
        await actuator.close()

    served.stop()
    run(scenario(served.actuator()))


@for_served
def test_it_goes_on_with_a_daemon_that_was_killed_and_is_back(served: Served) -> None:
    async def scenario(actuator: Actuator) -> None:
        await actuator.promote(term())
        served.stop()
        assert await actuator.look() == "unknown"
        served.start()
        await actuator.promote(term())
        assert served.is_so()
        await actuator.close()

    run(scenario(served.actuator()))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - no path is needed, only their number


@for_served
def test_a_look_at_a_frozen_daemon_comes_to_an_end(served: Served) -> None:
    async def scenario(actuator: Actuator) -> None:
        served.freeze()
        try:
            assert await actuator.look() == "unknown"
        finally:
            served.thaw()
        await actuator.close()

    run(scenario(served.actuator()))


@for_served
@pytest.mark.parametrize("doing", ["promote", "demote", "look"])
def test_what_was_cancelled_leaves_nothing_running_and_can_be_called_again(served: Served, doing: str) -> None:
    async def scenario(actuator: Actuator) -> None:
        await actuator.promote(term())
        await actuator.demote()
        files, threads = open_files(), threading.active_count()
        served.freeze()
        try:
            tasks = asyncio.all_tasks()
            called = actuator.promote(term()) if doing == "promote" else getattr(actuator, doing)()
            task = asyncio.create_task(called)
            done, _ = await asyncio.wait([task], timeout=CANCEL_AFTER_S)
            assert not done
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == tasks
            until_s = time.monotonic() + DEADLINE_S
            while open_files() > files or threading.active_count() > threads + 1:
                assert time.monotonic() < until_s
                await asyncio.sleep(0.01)
        finally:
            served.thaw()
        await actuator.demote()
        assert not served.is_so()
        await actuator.promote(term())
        assert served.is_so()
        await actuator.close()

    run(scenario(served.actuator()))
