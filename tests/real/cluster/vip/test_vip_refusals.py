"""What stands in the way of an address is told, and nothing is left half done."""

from __future__ import annotations

import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from bascule.cluster.actuators.addresses import FOREVER

if TYPE_CHECKING:
    from tests.real.cluster.vip.conftest import Net

pytestmark = pytest.mark.real
IPV4, IPV6 = "10.88.1.8/24", "fd00:88::8/64"
CAPABILITIES = ["all", "net_admin"]


def put(net: Net, host: str, address: str, index: int = 2) -> None:
    """Give a host an address without any door."""
    net.python(
        host,
        "from ipaddress import ip_interface\nfrom bascule.cluster.actuators.addresses import Addresses\n"
        f"Addresses().add({index}, ip_interface('{address}'))",
    )


def has_door(net: Net, host: str, address: str) -> bool:
    return net.door(host, address) != "absent"


@pytest.mark.parametrize("capabilities", CAPABILITIES)
def test_a_stranger_keeps_the_address_and_is_named(net: Net, address: str, capabilities: str) -> None:
    put(net, "c", address)
    before = net.addresses("a")
    holder = net.holder("a", address=address, capabilities=capabilities, probe="500ms")
    refused = holder.do("promote", for_s=5)
    assert refused["error"] == "ConflictError"
    assert "02:00:00:00:00:04" in refused["text"]
    assert net.addresses("a") == before
    assert not has_door(net, "a", address)
    assert holder.must("look")["seen"] == "passive"


@pytest.mark.parametrize("capabilities", CAPABILITIES)
def test_who_stands_behind_a_closed_door_is_no_stranger(net: Net, address: str, capabilities: str) -> None:
    dead = net.holder("b", address=address)
    dead.must("promote", for_s=0.2)
    dead.signal(signal.SIGKILL)
    net.wait_until(dead.until_s)
    assert address in net.addresses("b")
    net.holder("a", address=address, capabilities=capabilities, probe="300ms").must("promote", for_s=5)
    assert address in net.addresses("a")


@pytest.mark.parametrize("capabilities", CAPABILITIES)
def test_nobody_is_asked_when_the_options_say_so(net: Net, address: str, capabilities: str) -> None:
    put(net, "c", address)
    holder = net.holder("a", address=address, capabilities=capabilities, probe="0")
    holder.must("promote", for_s=5)


def test_what_a_crash_left_is_removed(net: Net, address: str) -> None:
    dead = net.holder("a", address=address)
    dead.must("promote", for_s=30)
    dead.signal(signal.SIGKILL)
    dead.process.wait()
    assert address in net.addresses("a")
    assert has_door(net, "a", address)
    heir = net.holder("a", address=address)
    assert heir.must("look")["seen"] == "active"
    heir.must("demote")
    assert address not in net.addresses("a")
    assert not has_door(net, "a", address)
    heir.must("demote")
    assert heir.must("look")["seen"] == "passive"


def test_what_a_crash_left_is_taken_over(net: Net, address: str) -> None:
    dead = net.holder("a", address=address)
    dead.must("promote", for_s=30)
    dead.signal(signal.SIGKILL)
    dead.process.wait()
    net.service("a", address.partition("/")[0])
    client = net.client(address.partition("/")[0])
    heir = net.holder("a", address=address)
    heir.must("promote", for_s=30)
    client.hear("a", after_s=net.now_s())


def test_promoting_once_more_changes_nothing(net: Net, address: str) -> None:
    holder = net.holder("a", address=address)
    holder.must("promote", for_s=5)
    before = net.addresses("a")
    put(net, "c", address)  # it would be refused if it asked again
    holder.must("promote", for_s=5)
    assert net.addresses("a") == before


def test_a_term_that_is_over_is_no_term(net: Net, address: str) -> None:
    holder = net.holder("a", address=address)
    refused = holder.do("promote", for_s=-1)
    assert refused["error"] == "ActuatorError"
    assert address not in net.addresses("a")
    assert not has_door(net, "a", address)


def test_somebody_removed_all_tables(net: Net, address: str) -> None:
    holder = net.holder("a", address=address)
    holder.must("promote", for_s=5)
    net.python(
        "a",
        "from ipaddress import ip_interface\nfrom bascule.cluster.actuators.door import Door\n"
        "from bascule.kernel.clock import BootClock\n"
        f"Door(ip_interface('{address}').ip, BootClock()).remove()",
    )
    assert holder.must("look")["seen"] == "active", "nothing keeps it closed now"
    holder.must("extend", for_s=0.3)
    assert has_door(net, "a", address)
    net.wait_until(holder.until_s)
    assert holder.must("look")["seen"] == "passive"


def test_somebody_removed_the_address(net: Net, address: str) -> None:
    holder = net.holder("a", address=address, announce_every="50ms", announce_count=1)
    holder.must("promote", for_s=5)
    net.python(
        "a",
        "from ipaddress import ip_interface\nfrom bascule.cluster.actuators.addresses import Addresses\n"
        f"Addresses().remove(2, ip_interface('{address}'))",
    )
    net.wait_until(net.now_s() + 0.06)
    refused = holder.do("extend", for_s=5)
    assert refused["error"] == "ActuatorError"
    assert "no longer here" in refused["text"]
    holder.must("promote", for_s=5)
    assert address in net.addresses("a")


@pytest.mark.parametrize("name", ["down", "out"])
def test_a_flap_of_the_link_leaves_the_address(net: Net, address: str, name: str) -> None:
    net.service("a", address.partition("/")[0])
    client = net.client(address.partition("/")[0])
    holder = net.holder("a", address=address)
    holder.must("promote", for_s=30)
    client.hear("a")
    net.link("a", name)
    holder.must("extend", for_s=30)
    net.link("a", "up" if name == "down" else "in")
    holder.must("announce")
    client.hear("a", after_s=net.now_s())


def test_what_another_demoted_is_not_held(net: Net, address: str) -> None:
    holder = net.holder("a", address=address, announce_every="50ms", announce_count=1)
    guardian = net.holder("a", address=address)
    holder.must("promote", for_s=5)
    guardian.must("demote")
    assert address not in net.addresses("a")
    assert net.door("a", address) == "closed", "who promoted it lives, and may be about to add the address"
    net.wait_until(net.now_s() + 0.06)
    assert "no longer here" in holder.do("extend", for_s=5)["text"]
    holder.must("demote")
    assert not has_door(net, "a", address)


def test_one_address_has_one_agent_on_a_machine(net: Net, address: str) -> None:
    first, second = net.holder("a", address=address), net.holder("a", address=address)
    first.must("promote", for_s=5)
    assert "another process of this machine" in second.do("promote", for_s=5)["text"]
    first.must("demote")
    second.must("promote", for_s=5)
    second.signal(signal.SIGKILL)
    first.must("promote", for_s=5)


def frozen_around_the_claim(net: Net, address: str, guardian: str) -> str:
    """The door at the moment when the address is added by who was frozen meanwhile, and demoted by its guardian."""
    holder = net.holder("a", address=address, mutant="stopped-around")
    holder.tell('{"do": "promote", "for_s": 0.3}')
    net.wait_for(holder.is_stopped, "the holder to be frozen before it adds the address")
    net.wait_until(holder.until_s)
    net.holder("a", address=address, mutant=guardian).must("demote")
    holder.signal(signal.SIGCONT)
    net.wait_for(lambda: holder.is_stopped() and address in net.addresses("a"), "the holder to add the address")
    found = net.door("a", address)
    holder.signal(signal.SIGCONT)
    assert "not there or not open" in holder.line()
    assert address not in net.addresses("a")
    assert not has_door(net, "a", address)
    return found


def test_who_was_frozen_before_it_added_the_address_adds_it_behind_a_closed_door(net: Net, address: str) -> None:
    assert frozen_around_the_claim(net, address, guardian="") == "closed"


def test_a_guardian_that_removes_the_door_of_a_living_agent_is_caught(net: Net, address: str) -> None:
    assert frozen_around_the_claim(net, address, guardian="unclaimed") == "absent"


def test_another_prefix_is_left_alone(net: Net) -> None:
    put(net, "a", "10.88.1.8/32")
    holder = net.holder("a", address=IPV4)
    for order in ("promote", "demote"):
        refused = holder.do(order, for_s=5)
        assert refused["error"] == "ActuatorError"
        assert "10.88.1.8/32 is on eth0 already" in refused["text"]
        assert "10.88.1.8/32" in net.addresses("a")
        assert not has_door(net, "a", IPV4)


def test_another_interface_is_left_alone(net: Net) -> None:
    put(net, "a", IPV4, index=1)
    refused = net.holder("a", address=IPV4, interface="eth0").do("promote", for_s=5)
    assert "is on lo already" in refused["text"]


def test_an_interface_is_found_or_its_absence_told(net: Net) -> None:
    assert "there are eth0, lo" in net.holder("a", address=IPV4, interface="eth7").do("promote", for_s=5)["text"]
    assert (
        "no interface has an address in the subnet"
        in net.holder("a", address="10.9.9.9").do("promote", for_s=5)["text"]
    )
    holder = net.holder("a", address="10.9.9.9", interface="eth0")
    assert holder.must("promote", for_s=5)["name"] == "vip 10.9.9.9/32 on eth0"
    net.holder("a", address="10.9.9.9", interface="eth7").must("demote")
    assert "10.9.9.9" not in net.addresses("a")


def test_a_link_that_is_down_is_told(net: Net, address: str) -> None:
    net.link("a", "down")
    holder = net.holder("a", address=address)
    assert "eth0 has no link" in holder.do("promote", for_s=5)["text"]
    net.link("a", "up")
    holder.must("promote", for_s=5)
    net.link("a", "down")
    holder.must("announce")
    holder.must("extend", for_s=5)


def test_ipv6_may_be_disabled(net: Net) -> None:
    net.python("a", "open('/proc/sys/net/ipv6/conf/eth0/disable_ipv6', 'w').write('1')")
    refused = net.holder("a", address=IPV6, interface="eth0").do("promote", for_s=5)
    assert "IPv6 is disabled" in refused["text"]
    assert not has_door(net, "a", IPV6)


def test_without_rights_it_says_which(net: Net, address: str) -> None:
    holder = net.holder("a", address=address, capabilities="net_raw")
    for order in ("promote", "demote"):
        refused = holder.do(order, for_s=5)
        assert refused["error"] == "ActuatorError"
        assert "CAP_NET_ADMIN" in refused["text"]
    assert holder.must("look")["seen"] == "passive"


def test_no_door_where_none_can_be(net: Net, address: str) -> None:
    required = net.holder("a", address=address, mutant="no-nftables")
    assert required.do("promote", for_s=5)["error"] == "ActuatorError"
    assert address not in net.addresses("a")
    preferred = net.holder("a", address=address, mutant="no-nftables", door="preferred")
    answer = preferred.must("promote", for_s=1)
    assert answer["door"] is False
    assert "without a door" in answer["name"]
    assert preferred.must("look")["seen"] == "active"
    preferred.signal(signal.SIGKILL)
    net.wait_for(lambda: address not in net.addresses("a"), "the kernel to remove the address")


def test_a_door_may_be_left_out(net: Net, address: str) -> None:
    holder = net.holder("a", address=address, door="off")
    assert holder.must("promote", for_s=0.1)["door"] is False
    net.wait_until(holder.until_s)
    assert not has_door(net, "a", address)
    assert holder.must("look")["seen"] == "active"
    holder.must("demote")
    assert address not in net.addresses("a")


def test_other_addresses_of_the_subnet_stay(net: Net) -> None:
    holder = net.holder("a", address="10.77.0.8/24", interface="eth0")
    holder.must("promote", for_s=5)
    put(net, "a", "10.77.0.9/24")
    holder.must("demote")
    assert "10.77.0.9/24" in net.addresses("a")
    assert "10.77.0.8/24" not in net.addresses("a")


def test_an_address_with_which_others_would_go_has_no_end(net: Net) -> None:
    holder = net.holder("a", address="10.77.0.8/24", interface="eth0")
    holder.must("promote", for_s=60)
    assert net.lifetime_s("a", "10.77.0.8/24") <= 65
    put(net, "a", "10.77.0.9/24")
    holder.must("extend", for_s=60)
    assert net.lifetime_s("a", "10.77.0.8/24") == FOREVER
    assert net.lifetime_s("a", "10.77.0.9/24") == FOREVER


def test_what_a_dead_agent_left_is_cleared_away_and_nothing_else(net: Net, address: str) -> None:
    before = net.addresses("a")
    dead = net.holder("a", address=address, mutant="brief")
    dead.must("promote", for_s=1)
    dead.must("extend", for_s=1)
    dead.signal(signal.SIGKILL)
    net.wait_for(lambda: net.addresses("a") == before, "the kernel to clear the address away")
    routes = net.python("a", "print(open('/proc/net/ipv6_route').read(), open('/proc/net/route').read())")
    assert "0001580A" in routes, "the route to the subnet is there"
    assert "fd000088000000000000000000000000 40" in routes
    assert has_door(net, "a", address), "and closed"


def test_a_promotion_that_is_cancelled_leaves_nothing(net: Net, address: str) -> None:
    before = net.addresses("a")
    holder = net.holder("a", address=address, probe="10s")
    holder.must("begin", for_s=30)
    net.wait_for(lambda: has_door(net, "a", address), "the promotion to begin")
    assert "CancelledError" in holder.must("cancel")["seen"]
    assert net.addresses("a") == before
    assert not has_door(net, "a", address)


def test_a_validity_that_moves_on_meanwhile_is_the_one_that_counts(net: Net, address: str) -> None:
    holder = net.holder("a", address=address, probe="300ms")
    holder.must("begin", for_s=0.1)
    holder.must("look")
    holder.must("extend", for_s=30)
    holder.must("wait")
    assert holder.must("look")["seen"] == "active"


def test_what_was_demoted_is_not_opened_by_a_late_extension(net: Net, address: str) -> None:
    holder = net.holder("a", address=address)
    holder.must("promote", for_s=5)
    holder.must("demote")
    holder.must("extend", for_s=5)
    assert holder.must("look")["seen"] == "passive"
    assert not has_door(net, "a", address)


def test_an_interface_that_was_switched_off_may_take_the_address_with_it(net: Net, address: str) -> None:
    holder = net.holder("a", address=address, interface="eth0", announce_every="50ms", announce_count=1)
    holder.must("promote", for_s=30)
    for is_up in (False, True):
        net.python("a", f"from bascule.lab.netlink import Netlink, switch\nNetlink().execute([switch(2, up={is_up})])")
    net.wait_until(net.now_s() + 0.06)
    answer = holder.do("extend", for_s=30)
    assert ("error" in answer) == (":" in address), "Linux keeps IPv4 addresses, and removes those of IPv6"
    holder.must("promote", for_s=30)
    assert address in net.addresses("a")
    assert holder.must("look")["seen"] == "active"


@pytest.mark.skipif(
    not shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin"), reason="needs nft (package nftables)"
)
def test_nft_shows_the_door_as_it_is_meant(net: Net, address: str) -> None:
    holder = net.holder("a", address=address)
    holder.must("promote", for_s=5)
    nft = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert nft
    shown = net.run("a", nft, "list", "ruleset")
    ip, family = address.partition("/")[0], "ip6" if ":" in address else "ip"
    for chain, field in (("prerouting priority raw", "daddr"), ("postrouting priority 300", "saddr")):
        assert f"type filter hook {chain}; policy accept;" in shown
        assert f"{family} {field} {ip} {family} {field} != @even {family} {field} != @odd drop" in shown
        assert f"{family} {field} {ip} jump late" in shown
    if family == "ip":
        assert f"arp daddr ip {ip} arp daddr ip != @even arp daddr ip != @odd drop" in shown
        assert f"arp saddr ip {ip} arp saddr ip != @even arp saddr ip != @odd drop" in shown
    else:
        assert "icmpv6 type nd-neighbor-solicit @th,64,128 0xfd000088000000000000000000000008" in shown
        assert "icmpv6 type nd-neighbor-advert @th,64,128 0xfd000088000000000000000000000008" in shown
    assert f"elements = {{ {ip} timeout 4s" in shown
    assert "meta time >= " in shown
