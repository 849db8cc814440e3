"""Routes of a real BIRD and of a real ExaBGP follow the lease, as their neighbour hears of them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.cluster.daemons import DEADLINE_S, need, wait_until
from tests.real.cluster.rig_bgp import ROUTE, Birds, ExaBgp, birds_rig, exabgp_rig

from bascule.cluster.actuators import bgp
from bascule.cluster.actuators.port import Term
from bascule.kernel.errors import ActuatorError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real
TERM = Term(cluster="east", group="edge", agent="a", token=1, until_s=0.0)


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, DEADLINE_S))


@pytest.fixture
def birds(tmp_path: Path) -> Iterator[Birds]:
    with birds_rig(tmp_path) as rig:
        yield rig


def test_a_bird_that_was_killed_announces_nothing_when_it_is_back(birds: Birds) -> None:
    actuator = birds.actuator()
    run(actuator.promote(TERM))
    assert birds.is_so()
    birds.stop()
    birds.start()
    assert asyncio.run(actuator.look()) == "passive"
    assert not birds.is_so()
    run(actuator.promote(TERM))
    assert birds.is_so()


def test_what_a_reconfiguration_withdrew_is_seen_and_announced_once_more(birds: Birds) -> None:
    """`configure` takes `disabled` at its word, whatever was enabled since."""
    actuator = birds.actuator()
    run(actuator.promote(TERM))
    control = str(birds.directory / "mine" / "bird.ctl")
    subprocess.run([need("birdc", "bird2"), "-s", control, "configure"], check=True, capture_output=True, timeout=20)
    wait_until(lambda: asyncio.run(actuator.look()) == "passive", "`configure` leaves what was enabled")
    assert not birds.is_so()
    run(actuator.promote(TERM))
    assert birds.is_so()


def test_a_protocol_that_there_is_not_is_named(birds: Birds) -> None:
    socket = str(birds.directory / "mine" / "bird.ctl")
    actuator = bgp.make(bgp.Options(protocol="unicast", socket=socket, timeout=Duration(1.0)))
    for doing in (actuator.promote(TERM), actuator.demote()):
        with pytest.raises(ActuatorError, match="unicast") as raised:
            run(doing)
        assert "static unicast" in raised.value.hint
    assert asyncio.run(actuator.look()) == "unknown"


@pytest.fixture
def exabgp(tmp_path: Path) -> Iterator[ExaBgp]:
    with exabgp_rig(tmp_path) as rig:
        yield rig


def test_an_exabgp_that_was_killed_announces_nothing_when_it_is_back(exabgp: ExaBgp) -> None:
    actuator = exabgp.actuator()
    run(actuator.promote(TERM))
    assert exabgp.is_so()
    exabgp.stop()
    exabgp.start()
    assert asyncio.run(actuator.look()) == "passive"
    assert not exabgp.is_so()
    run(actuator.promote(TERM))
    assert exabgp.is_so()


def test_an_exabgp_that_thaws_carries_out_nothing_that_was_wanted_before(exabgp: ExaBgp) -> None:
    actuator = exabgp.actuator()
    exabgp.freeze()
    with pytest.raises(ActuatorError, match="within 1 s"):
        run(actuator.promote(TERM))
    with pytest.raises(ActuatorError, match="within 1 s"):
        run(actuator.promote(TERM))
    exabgp.thaw()
    wait_until(lambda: asyncio.run(actuator.look()) == "passive", "ExaBGP does not thaw")
    assert not exabgp.is_so()


def test_the_relays_socket_is_its_users_alone_and_knows_the_commands_of_routes_alone(exabgp: ExaBgp) -> None:
    assert exabgp.socket.stat().st_mode & 0o077 == 0
    for line in ("shutdown", "announce route 10.0.0.0/8 next-hop self community 1:1", "show adj-rib in", ""):
        assert exabgp.relayed(line) == "unknown\n"
    assert exabgp.relayed(f"announce route {ROUTE} next-hop self") == "done\n"
    assert exabgp.relayed(f"withdraw route {ROUTE} next-hop self") == "done\n"
