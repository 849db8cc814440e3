"""Routes of a real BIRD follow the lease, as its neighbour hears of them."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.cluster.daemons import DEADLINE_S, need, wait_until
from tests.real.cluster.rig_bgp import Birds, birds_rig

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
