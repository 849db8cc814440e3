"""What a client sees of a virtual address when whoever is in charge is killed, frozen, cut off, or loses its store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import rig
from rig import NODES, Rig

from bascule.engines import binaries
from bascule.kernel.errors import MissingProgramError
from bascule.lab import isolation

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One rig for all faults of which it recovers; each test leaves it whole."""
    if why := isolation.available():
        pytest.skip(f"namespaces: {why}")
    try:
        binaries.find("etcd")
    except MissingProgramError as error:
        pytest.skip(f"etcd: {error}")
    # A lease of 2 s: what is asserted is who acts, and a machine that is busy with other tests must not take it away.
    with rig.running(tmp_path_factory.mktemp("failover"), ttl="2s") as made:
        made.start_etcd()
        made.start_responders()
        made.start_agents()
        made.start_client("user")
        made.wait_until_served()
        yield made


@pytest.fixture
def whole(shared: Rig) -> Iterator[Rig]:
    """The rig with all agents taking part, somebody in charge, and a second client that asks the holder alone."""
    shared.wait_until_served()
    shared.wait_for_agents(NODES)
    yield shared
    shared.lab.heal()
    for name in NODES:
        shared.lab.thaw(shared.in_charge(name))
        shared.lab.start(f"etcd-{name}")
        shared.lab.start(shared.in_charge(name))
    shared.unpin()


def rest(holder: str) -> list[str]:
    return [name for name in NODES if name != holder]


def test_another_one_follows_when_the_agent_is_killed(whole: Rig) -> None:
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.kill(whole.in_charge(holder))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    assert whole.two_holders_s() == 0


def test_an_agent_that_is_frozen_holds_the_address_no_more_and_wakes_up_as_a_standby(whole: Rig) -> None:
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.freeze(whole.in_charge(holder))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    whole.lab.thaw(whole.in_charge(holder))
    whole.wait_for_agents(NODES)
    woke_s = rig.boot_s()
    whole.wait_until_served(since_s=woke_s, by=rest(holder))
    assert whole.two_holders_s() == 0
    assert all(one.holder != holder for one in whole.answers("user") if one.asked_s > woke_s)


def test_a_host_that_loses_power_is_followed(whole: Rig) -> None:
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.power_off((holder,))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    whole.lab.power_on((holder,))
    whole.wait_for_agents(NODES)
    whole.wait_until_served(since_s=rig.boot_s())
    assert whole.two_holders_s() == 0


def test_a_holder_that_is_cut_off_answers_nobody_by_the_time_that_another_one_does(whole: Rig) -> None:
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.partition((holder, "pinned"))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    healed_s = rig.boot_s()
    whole.lab.heal()
    whole.wait_for_agents(NODES)
    whole.wait_until_served(since_s=healed_s, by=rest(holder))
    pinned = [one for one in whole.answers("pinned") if one.asked_s > at_s]
    assert pinned, "the client on the holder's side was served for as long as the lease held"
    assert whole.two_holders_s() == 0


def test_the_address_stays_when_the_agents_cannot_hear_each_other(whole: Rig) -> None:
    """Each of them reaches the store; only what they would say to each other is cut off."""
    holder = whole.pinned_holder()
    whole.cut_agents_from_each_other()
    try:
        at_s = rig.boot_s()
        whole.wait_until_served(since_s=at_s, by=[holder], count=200)
        assert {one.holder for one in whole.answers("user") if one.asked_s > at_s} == {holder}
    finally:
        whole.join_agents_again()


def test_nobody_acts_while_the_store_has_no_quorum_and_somebody_does_once_it_has(whole: Rig) -> None:
    whole.pinned_holder()
    for name in NODES[:2]:
        whole.lab.kill(f"etcd-{name}")
    rig.wait_for(lambda: whole.silent_for(3), "the address is silent")
    at_s = rig.boot_s()
    for name in NODES[:2]:
        whole.lab.start(f"etcd-{name}")
    whole.wait_until_served(since_s=at_s)
    assert whole.two_holders_s() == 0


def test_the_holder_is_followed_when_it_dies_together_with_the_stores_leader(whole: Rig) -> None:
    whole.move_to_the_stores_leader()
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.power_off((holder,))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    whole.lab.power_on((holder,))
    assert whole.two_holders_s() == 0


def test_a_switchover_goes_where_it_is_told(whole: Rig) -> None:
    holder = whole.pinned_holder()
    target = rest(holder)[-1]
    told = json.loads(whole.ask_agent(holder, "switchover", "edge", target, "--yes"))
    whole.wait_until_served(since_s=rig.boot_s(), by=[target])
    assert (told["from"], told["to"]) == (holder, target)
    assert whole.two_holders_s() == 0


def test_an_orderly_stop_hands_over(whole: Rig) -> None:
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.stop(whole.in_charge(holder))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    assert whole.two_holders_s() == 0


def test_a_pause_keeps_everybody_from_taking_over_until_it_ends(whole: Rig) -> None:
    holder = whole.pinned_holder()
    other = rest(holder)[0]
    whole.ask_agent(other, "pause")
    try:
        whole.lab.kill(whole.in_charge(holder))
        rig.wait_for(lambda: whole.silent_for(6), "nobody takes over")
    finally:
        at_s = rig.boot_s()
        whole.ask_agent(other, "resume")
    whole.wait_until_served(since_s=at_s, by=rest(holder))


def test_an_order_is_carried_out_during_a_pause(whole: Rig) -> None:
    holder = whole.pinned_holder()
    target = rest(holder)[0]
    whole.ask_agent(target, "pause")
    try:
        told = json.loads(whole.ask_agent(target, "switchover", "edge", target, "--yes"))
        whole.wait_until_served(since_s=rig.boot_s(), by=[target])
    finally:
        whole.ask_agent(target, "resume")
    assert told["to"] == target


def test_nothing_is_left_on_a_host_whose_agent_has_ended(whole: Rig) -> None:
    holder = whole.pinned_holder()
    whole.lab.stop(whole.in_charge(holder))
    code = "from pyroute2 import IPRoute; print([one.get_attr('IFA_ADDRESS') for one in IPRoute().get_addr()])"
    told = whole.lab.run(holder, (sys.executable, "-c", code)).stdout.decode()
    assert rig.VIP not in told


def test_an_address_that_somebody_removed_is_put_back_by_the_same_holder(whole: Rig) -> None:
    holder = whole.pinned_holder()
    code = (
        "import sys; from pyroute2 import IPRoute; line = IPRoute(); "
        "line.addr('del', index=line.link_lookup(ifname='eth0')[0], address=sys.argv[1], prefixlen=24)"
    )
    at_s = rig.boot_s()
    done = whole.lab.run(holder, (sys.executable, "-c", code, rig.VIP), capabilities=("net_admin",))
    assert done.exit_code == 0, done.stderr.decode()
    log = whole.lab.directory / "logs" / f"agent-{holder}.log"
    rig.wait_for(lambda: '"ActuatorMended"' in log.read_text(), "it is put back")
    whole.wait_until_served(since_s=rig.boot_s(), by=[holder], count=100)
    assert {one.holder for one in whole.answers("user") if one.asked_s > at_s} == {holder}


def test_the_status_says_who_is_in_charge(whole: Rig) -> None:
    holder = whole.pinned_holder()
    told = json.loads(whole.ask_agent(rest(holder)[0], "status"))
    (edge,) = told["groups"]
    assert edge["holder"] == holder
    assert edge["holder_alive"]
    assert edge["token"] > 0
    assert {peer["agent"] for peer in told["peers"] if peer["alive"]} == set(NODES)


def test_what_the_logs_say_is_in_order(whole: Rig, tmp_path: Path) -> None:
    """Tokens grow with each term, whoever had it."""
    del tmp_path
    tokens: list[tuple[float, int]] = []
    for name in NODES:
        for line in (whole.lab.directory / "logs" / f"agent-{name}.log").read_text().splitlines():
            if '"BecameActive"' in line:
                told = json.loads(line[line.index("{") :])
                tokens.append((told["at_s"], told["token"]))
    assert len(tokens) > 1
    assert [token for _, token in sorted(tokens)] == sorted(token for _, token in tokens)
