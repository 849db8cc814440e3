"""An address moves from host to host, and a client that asks all the time finds it at once, and never twice."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.real.cluster.vip.conftest import Client, Holder, Net

pytestmark = pytest.mark.real
FOR_S = 0.4
AFTER_S = 0.3


def plain(address: str) -> str:
    return address.partition("/")[0]


def serve(net: Net, address: str) -> Client:
    for host in ("a", "b"):
        net.service(host, plain(address))
    return net.client(plain(address))


def hold(net: Net, host: str, address: str) -> Holder:
    return kept(net.holder(host, address=address))


def kept(holder: Holder) -> Holder:
    """Have it promoted, and its validity extended all the time."""
    holder.must("promote", for_s=FOR_S)
    holder.must("hold", for_s=FOR_S, every_s=0.02)
    return holder


def test_a_client_follows_the_address_and_never_hears_two(net: Net, address: str) -> None:
    client = serve(net, address)
    first = hold(net, "a", address)
    client.hear("a")
    first.must("demote")
    left_s = net.now_s()
    hold(net, "b", address)
    client.hear("b")
    assert client.last_s("a") < left_s
    assert client.is_one_at_a_time()
    assert address not in net.addresses("a")
    assert address in net.addresses("b")


def test_the_address_goes_to_and_fro(net: Net, address: str) -> None:
    client = serve(net, address)
    holders = {host: net.holder(host, address=address) for host in ("a", "b")}
    for host in ("a", "b", "a", "b"):
        holders[host].must("promote", for_s=FOR_S)
        holders[host].must("hold", for_s=FOR_S, every_s=0.02)
        client.hear(host, after_s=net.now_s())
        assert holders[host].must("look")["seen"] == "active"
        holders[host].must("demote")
        left_s = net.now_s()
        assert holders[host].must("look")["seen"] == "passive"
        assert client.last_s(host) < left_s


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_the_kernel_closes_what_nobody_renews(net: Net, address: str, end: signal.Signals) -> None:
    client = serve(net, address)
    holder = hold(net, "a", address)
    client.hear("a")
    holder.signal(end)
    net.wait_until(holder.until_s + AFTER_S)
    assert client.last_s("a") <= holder.until_s
    assert address in net.addresses("a"), "it is the kernel that keeps it closed, not its absence"
    hold(net, "b", address)
    client.hear("b")
    assert client.is_one_at_a_time()


def test_a_door_that_never_closes_is_caught(net: Net, address: str) -> None:
    client = serve(net, address)
    holder = net.holder("a", address=address, mutant="never-closes")
    holder.must("promote", for_s=FOR_S)
    client.hear("a")
    holder.signal(signal.SIGKILL)
    client.hear("a", after_s=holder.until_s)
    assert client.last_s("a") > holder.until_s


def test_a_frozen_holder_that_goes_on_opens_nothing_until_it_is_told_to(net: Net, address: str) -> None:
    client = serve(net, address)
    first = hold(net, "a", address)
    client.hear("a")
    first.signal(signal.SIGSTOP)
    frozen_until_s = first.until_s
    net.wait_until(frozen_until_s)
    hold(net, "b", address)
    client.hear("b")
    assert client.is_one_at_a_time()
    assert client.last_s("a") <= frozen_until_s


def test_what_was_worked_out_before_a_freeze_and_told_after_it_opens_nothing(net: Net, address: str) -> None:
    client = serve(net, address)
    holder = net.holder("a", address=address)
    holder.must("promote", for_s=FOR_S)
    client.hear("a")
    net.wait_until(holder.until_s)
    holder.must("freeze", for_s=5.0)
    begun_s = net.now_s()
    holder.must("extend", for_s=-1.0)
    assert holder.must("look")["seen"] == "active", "the kernel was told of a validity that is over"
    net.wait_until(begun_s + AFTER_S)
    assert client.last_s("a") < begun_s
    holder.must("freeze", for_s=0.0)
    holder.must("extend", for_s=FOR_S)
    client.hear("a", after_s=begun_s)


def test_a_door_with_one_clock_is_caught(net: Net, address: str) -> None:
    client = serve(net, address)
    holder = net.holder("a", address=address, mutant="without-limit")
    holder.must("promote", for_s=FOR_S)
    client.hear("a")
    net.wait_until(holder.until_s)
    holder.must("freeze", for_s=5.0)
    holder.must("extend", for_s=-1.0)
    client.hear("a", after_s=holder.until_s)


def lost(net: Net, address: str, mutant: str = "") -> set[int]:
    """The questions that were not answered while the door was refreshed without a pause."""
    net.service("a", plain(address))
    holder = net.holder("a", address=address, mutant=mutant)
    holder.must("promote", for_s=5.0)
    warm = net.client(plain(address))
    warm.hear("a")
    holder.must("hold", for_s=5.0, every_s=0.0)
    # So slow that a queue of questions holds out for as long as a busy machine may let the service wait: what is lost
    # then was lost by the door.
    client = net.client(plain(address), every_ms=2)
    net.wait_for(lambda: len(client.answers()) >= 1000, "1000 answers")
    assert holder.process.poll() is None
    # Answers come in the order of their questions: what is on its way is at the end, what is missing before was lost.
    numbers = {one.number for one in client.answers()}
    return set(range(1, max(numbers) + 1)) - numbers


def test_refreshing_loses_nothing(net: Net, address: str) -> None:
    assert lost(net, address) == set()


def test_a_door_that_closes_to_be_refreshed_is_caught(net: Net, address: str) -> None:
    assert lost(net, address, mutant="closes-between")


def test_a_connection_is_cut_at_the_end_of_the_validity(net: Net, address: str) -> None:
    net.service("a", plain(address))
    holder = hold(net, "a", address)
    client = net.client(plain(address), kind="tcp")
    assert client.line() == "connected"
    net.wait_for(lambda: len(client.lines()) > 10, "the connection to flow")
    holder.signal(signal.SIGKILL)
    net.wait_until(holder.until_s + AFTER_S)
    # What the service wrote before the end but the kernel had to send again is not let through either.
    assert all(int(line) / 1e9 <= holder.until_s for line in client.lines())


def test_a_client_that_missed_the_move_is_told_when_it_is_back(net: Net, address: str) -> None:
    client = serve(net, address)
    first = hold(net, "a", address)
    client.hear("a")
    net.link("client", "out")
    first.must("demote")
    second = kept(net.holder("b", address=address, announce_every="1h", announce_count=1))
    net.link("client", "in")
    back_s = net.now_s()
    net.wait_until(back_s + AFTER_S)
    assert client.last_s("b") == 0, "it does not know of the move yet"
    second.must("announce")
    client.hear("b")
    assert client.is_one_at_a_time()


CAPABLE = [("10.88.1.8/24", "all"), ("10.88.1.8/24", "net_admin"), ("fd00:88::8/64", "all")]


@pytest.mark.parametrize(("address", "capabilities"), CAPABLE)
def test_neighbours_that_ask_nothing_are_told(net: Net, address: str, capabilities: str) -> None:
    client = serve(net, address)
    holders = {host: net.holder(host, address=address, capabilities=capabilities) for host in ("a", "b")}
    holders["a"].must("promote", for_s=FOR_S)
    client.hear("a")
    client.end()
    assert net.neighbour("client", plain(address)) == "02:00:00:00:00:02"
    holders["a"].must("demote")
    holders["b"].must("promote", for_s=FOR_S)
    holders["b"].must("hold", for_s=FOR_S, every_s=0.02)
    net.wait_for(lambda: net.neighbour("client", plain(address)) == "02:00:00:00:00:03", "the client to be told")


def test_rights_to_administer_the_network_are_enough(net: Net, address: str) -> None:
    client = serve(net, address)
    holder = net.holder("a", address=address, capabilities="net_admin")
    holder.must("promote", for_s=FOR_S)
    holder.must("hold", for_s=FOR_S, every_s=0.02)
    client.hear("a")
    holder.signal(signal.SIGKILL)
    net.wait_until(holder.until_s + AFTER_S)
    assert client.last_s("a") <= holder.until_s
