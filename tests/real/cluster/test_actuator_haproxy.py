"""HAProxy's servers follow the lease: seen by clients that request through it."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.real.cluster.daemons import DEADLINE_S, free_port, wait_until
from tests.real.cluster.rig_haproxy import HaproxyRig, haproxy_rig, serving

from bascule.cluster.actuators import haproxy
from bascule.cluster.actuators.port import Term
from bascule.kernel.errors import ActuatorError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real
TERM = Term(cluster="east", group="edge", agent="a", token=1, until_s=0.0)


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, DEADLINE_S))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[HaproxyRig]:
    with haproxy_rig(tmp_path) as rig:
        yield rig


def theirs(rig: HaproxyRig) -> haproxy.Options:
    return msgspec.structs.replace(rig.options(others=("web/mine",)), servers=("web/theirs",))


def test_clients_follow_from_one_node_to_the_other_and_back(rig: HaproxyRig) -> None:
    here, there = haproxy.make(rig.options()), haproxy.make(theirs(rig))
    run(here.promote(TERM))
    assert rig.get() == "mine"
    run(here.demote())
    assert rig.get() == "503"
    run(there.promote(TERM))
    assert rig.get() == "theirs"
    run(here.promote(TERM))  # the other one died before it could demote
    assert rig.get() == "mine"
    assert asyncio.run(there.look()) == "passive"


def test_the_runtime_api_at_a_loopback_port_does_as_well(rig: HaproxyRig) -> None:
    options = msgspec.structs.replace(rig.options(), socket=f"127.0.0.1:{rig.control}")
    run(haproxy.make(options).promote(TERM))
    assert rig.get() == "mine"


def test_a_late_demote_leaves_the_other_nodes_server_alone(rig: HaproxyRig) -> None:
    run(haproxy.make(theirs(rig)).promote(TERM))
    run(haproxy.make(rig.options()).demote())
    assert rig.get() == "theirs"


def test_a_client_that_sticks_by_cookie_moves_as_well(tmp_path: Path) -> None:
    with haproxy_rig(tmp_path, cookie=True) as rig:
        run(haproxy.make(theirs(rig)).promote(TERM))
        client = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=DEADLINE_S)
        client.request("GET", "/")
        answer = client.getresponse()
        assert answer.read() == b"theirs"
        cookie = str(answer.getheader("set-cookie")).partition(";")[0]
        run(haproxy.make(theirs(rig)).demote())
        run(haproxy.make(rig.options()).promote(TERM))
        client.request("GET", "/", headers={"Cookie": cookie})
        assert client.getresponse().read() == b"mine"
        client.close()


def connect(rig: HaproxyRig) -> socket.socket:
    """A client's connection, through to the server."""
    client = socket.create_connection(("127.0.0.1", rig.port), timeout=DEADLINE_S)
    assert talk(client) == b"mine"
    return client


def talk(client: socket.socket) -> bytes:
    """Who answers on this connection."""
    client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = http.client.HTTPResponse(client)
    answer.begin()
    return answer.read()


def test_connections_that_are_left_at_maint_are_ended(tmp_path: Path) -> None:
    with haproxy_rig(tmp_path, mode="tcp") as rig:
        actuator = haproxy.make(rig.options())
        run(actuator.promote(TERM))
        with connect(rig) as client:
            run(actuator.demote())
            assert client.recv(1) == b""


def test_connections_go_on_where_that_is_wanted(tmp_path: Path) -> None:
    with haproxy_rig(tmp_path, mode="tcp") as rig:
        actuator = haproxy.make(msgspec.structs.replace(rig.options(), shutdown_sessions=False))
        run(actuator.promote(TERM))
        with connect(rig) as client:
            run(actuator.demote())
            assert asyncio.run(actuator.look()) == "passive"
            assert talk(client) == b"mine"


def test_a_drain_lets_a_session_end_by_itself(tmp_path: Path) -> None:
    with haproxy_rig(tmp_path, mode="tcp") as rig:
        actuator = haproxy.make(rig.options(drain_s=DEADLINE_S / 2))

        async def scenario() -> None:
            await actuator.promote(TERM)
            client = await asyncio.to_thread(connect, rig)
            demoting = asyncio.create_task(actuator.demote())
            until_s = time.monotonic() + DEADLINE_S
            while await actuator.look() != "unknown":  # neither ready nor in maint: it drains
                assert time.monotonic() < until_s
                await asyncio.sleep(0.01)
            assert await asyncio.to_thread(talk, client) == b"mine"
            assert not demoting.done()
            client.close()
            await demoting
            assert await actuator.look() == "passive"

        run(scenario())


def test_a_drain_has_an_end(tmp_path: Path) -> None:
    with haproxy_rig(tmp_path, mode="tcp") as rig:
        actuator = haproxy.make(rig.options(drain_s=0.2))
        run(actuator.promote(TERM))
        with connect(rig) as client:
            run(actuator.demote())
            assert client.recv(1) == b""


def test_a_server_that_all_agents_share_is_moved_and_is_left_to_whom_it_was_given(rig: HaproxyRig) -> None:
    with serving("a") as a, serving("b") as b:
        here = haproxy.make(rig.options(others=(), address=f"127.0.0.1:{a}"))
        there = haproxy.make(rig.options(others=(), address=f"127.0.0.1:{b}"))
        run(here.promote(TERM))
        assert rig.get() == "a"
        run(there.promote(TERM))
        assert rig.get() == "b"
        assert asyncio.run(here.look()) == "passive"
        run(here.demote())
        assert rig.get() == "b"


def test_a_server_that_fails_its_health_check_is_not_called_active(tmp_path: Path) -> None:
    with haproxy_rig(tmp_path, check=True) as rig:
        options = rig.options(others=(), address=f"127.0.0.1:{free_port()}")
        actuator = haproxy.make(msgspec.structs.replace(options, up_within=Duration(0.3)))

        async def scenario() -> None:
            until_s = time.monotonic() + DEADLINE_S
            while await actuator.look() != "unknown":  # a server that leaves maint counts as up before its first check
                assert time.monotonic() < until_s
                try:
                    await actuator.promote(TERM)
                except ActuatorError as error:
                    assert "is not serving" in error.what  # noqa: PT017 - it may also be raised only the next time
            with pytest.raises(ActuatorError, match="is not serving"):
                await actuator.promote(TERM)

        run(scenario())


@pytest.mark.parametrize("order", ["set server web/mine state maint", "set server web/theirs state ready"])
def test_what_somebody_undid_is_seen_and_done_once_more(rig: HaproxyRig, order: str) -> None:
    actuator = haproxy.make(rig.options())
    run(actuator.promote(TERM))
    asyncio.run(actuator._order(order))
    assert asyncio.run(actuator.look()) == "passive"
    run(actuator.promote(TERM))
    assert asyncio.run(actuator.look()) == "active"
    assert rig.get() == "mine"


@pytest.mark.parametrize(("servers", "others"), [(("web/none",), ()), (("web/mine",), ("none/theirs",))])
def test_a_server_that_there_is_not_is_named(
    rig: HaproxyRig, servers: tuple[str, ...], others: tuple[str, ...]
) -> None:
    actuator = haproxy.make(msgspec.structs.replace(rig.options(), servers=servers, others=others))
    with pytest.raises(ActuatorError, match="HAProxy has no server"):
        run(actuator.promote(TERM))
    assert asyncio.run(actuator.look()) == "unknown"


def test_a_socket_that_may_only_be_read_is_told_of(rig: HaproxyRig, tmp_path: Path) -> None:
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(configuration.read_text().replace("level admin", "level user"))
    rig.stop()
    rig.start()
    with pytest.raises(ActuatorError) as raised:
        run(haproxy.make(rig.options()).promote(TERM))
    assert "level admin" in raised.value.hint


def test_a_frozen_haproxy_has_no_order_left_to_carry_out_when_it_thaws(rig: HaproxyRig) -> None:
    actuator = haproxy.make(rig.options())
    rig.freeze()
    with pytest.raises(ActuatorError, match="within 1 s"):
        run(actuator.promote(TERM))
    rig.thaw()
    wait_until(lambda: asyncio.run(actuator.look()) == "passive", "HAProxy does not thaw")
    assert rig.get() == "503"
