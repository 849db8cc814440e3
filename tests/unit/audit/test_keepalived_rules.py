"""Where keepalived's rules begin and end: what is next to a weakness, and is none."""

from __future__ import annotations

import pytest

from bascule.audit.estate import Estate, SourceFile
from bascule.audit.keepalived import READER, RULES
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system import Positions
from bascule.system.model import Availability, Component, Disruption, Objectives, Region, System, Workload

SCRIPT = "vrrp_script chk {\n fall 2\n interval 2\n}\n"


def host(
    *lines: str, name: str = "a", router: int = 5, priority: int = 100, ip: str = "10.0.0.9", script: str = SCRIPT
) -> str:
    own = "".join(f" {line}\n" for line in lines)
    return (
        f"{script}vrrp_instance {name} {{\n interface eth0\n virtual_router_id {router}\n priority {priority}\n"
        f" garp_master_refresh 60\n{own} virtual_ipaddress {{\n  {ip}\n }}\n track_script {{\n  chk\n }}\n}}\n"
    )


def ids(*texts: str, rto_s: float | None = None) -> set[str]:
    estate = Estate()
    assert READER.read is not None
    for number, text in enumerate(texts):
        (one,), wrong = READER.read(SourceFile(f"{number}.conf", text, tuple(text.split("\n"))))
        assert wrong == []
        estate.add(one)
    if rto_s is not None:
        estate.positions = Positions("bascule.yaml", {}, {})
        estate.system = System(
            system="shop",
            objectives=Objectives(
                availability=Availability(target=Share(0.999)),
                disruptions={"host": Disruption(rto=Duration(rto_s), rpo=Duration(0))},
            ),
            regions={"one": Region(zones=("a",))},
            components={"web": Component(engine="service", replicas={"a": 1})},
            workload=Workload(through="web", rate=Rate(1)),
        )
    return {rule.id.removeprefix("BSC-KAL-") for rule in RULES for _ in rule.check(estate)}


ONE, TWO = host(priority=110), host(priority=100)


def unicast(source: str, *peers: str, priority: int) -> str:
    return host(f"unicast_src_ip {source}", "unicast_peer {", *peers, "}", priority=priority)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((ONE, TWO), set()),
        # One id: another address on the same network, or on another one.
        ((ONE, host(ip="10.0.0.8", priority=90)), {"001"}),
        ((ONE, host(ip="10.0.1.9", priority=90)), set()),
        ((ONE, host(ip="10.0.0.8", priority=90).replace("eth0", "eth1")), set()),
        ((ONE + host(name="b", ip="10.7.0.1"),), {"001"}),
        ((ONE + host(name="b", ip="2001:db8::1"),), set()),
        ((ONE + host(name="b", router=6, ip="10.7.0.1"),), set()),
        ((unicast("10.0.0.1", "10.0.0.2", priority=110) + host(name="b", ip="10.7.0.1"),), set()),
        ((TWO, TWO), {"002"}),
        ((TWO.replace(" priority 100\n", ""), TWO), {"002"}),
        ((TWO.replace(" priority 100", " @x priority 100"), TWO), set()),
        ((TWO.replace("track_script", "track_nothing"),), {"003"}),
        ((TWO.replace("track_script", "track_interface"),), set()),
        ((TWO.replace("track_script", "track_nothing") + "virtual_server 10.0.0.9 80 {\n}\n",), set()),
        ((TWO.replace("track_script", "track_nothing") + "virtual_server 10.0.0.8 80 {\n}\n",), {"003"}),
        # Weights that do not reach, just reach, and go beyond.
        ((host(priority=110, script=SCRIPT.replace("{", "{\n weight -10", 1)), TWO), {"004"}),
        ((host(priority=110, script=SCRIPT.replace("{", "{\n weight -11", 1)), TWO), set()),
        ((host(priority=110, script=SCRIPT.replace("{", "{\n weight 0", 1)), TWO), set()),
        (tuple(host(priority=each, script=SCRIPT.replace("{", "{\n weight 10", 1)) for each in (110, 100)), {"004"}),
        (tuple(host(priority=each, script=SCRIPT.replace("{", "{\n weight 11", 1)) for each in (110, 100)), set()),
        ((host("nopreempt", "state MASTER"),), {"005"}),
        ((host("nopreempt"),), set()),
        ((host("nopreempt", script=SCRIPT.replace("{", "{\n weight -9", 1)),), {"015"}),
        ((TWO.replace(" fall 2\n", ""),), {"007"}),
        ((TWO.replace(" fall 2\n", " fall $F\n"),), set()),
        ((host("state MASTER", priority=110), host("state MASTER")), {"010"}),
        ((host("state MASTER", priority=110), TWO), set()),
        ((host("advert_int 2", priority=110), TWO), {"013"}),
        ((host("advert_int 1.0", priority=110), TWO), set()),
        ((host("version 3", "advert_int 0.5", priority=110), host("version 3")), set()),
        ((host(ip="10.0.0.9\n 10.0.0.7", priority=110), TWO), {"012"}),
        ((host("authentication {", "auth_type PASS", "auth_pass 12345678x", "}", priority=110), TWO), {"011"}),
        (
            tuple(
                host("authentication {", "auth_type PASS", f"auth_pass 12345678{each}", "}", priority=100 + each)
                for each in (1, 2)
            ),
            set(),
        ),
        ((unicast("10.0.0.1", "10.0.0.2", priority=110), unicast("10.0.0.2", "10.0.0.1", priority=100)), set()),
        ((unicast("10.0.0.1", "10.0.0.2", priority=110), unicast("10.0.0.2", "10.0.0.3", priority=100)), {"009"}),
        ((unicast("10.0.0.1", "10.0.0.2", priority=110), TWO), {"009"}),
        ((TWO.replace("garp_master_refresh 60", "garp_master_refresh 0"),), {"014"}),
        (("global_defs {\n vrrp_garp_master_refresh 5\n}\n" + TWO.replace(" garp_master_refresh 60\n", ""),), set()),
    ],
)
def test_what_is_a_weakness_and_what_is_none(texts: tuple[str, ...], expected: set[str]) -> None:
    assert ids(*texts) == expected


def test_times_are_compared_with_what_was_promised() -> None:
    assert ids(TWO, rto_s=4) == set()
    assert ids(TWO, rto_s=3.9) == {"008"}
    assert ids(TWO, rto_s=2.9) == {"006", "008"}
    assert ids(host("advert_int 0.9"), rto_s=2.8) == {"008"}
    assert ids(TWO.replace("interval 2", "interval $I"), rto_s=3) == set()
