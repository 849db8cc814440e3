"""What a virtual address may be told to be."""

from __future__ import annotations

import pytest

from bascule.cluster.actuators.vip import Options, make
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(address="10.88.1.8/24"), "vip 10.88.1.8/24"),
        (Options(address="10.88.1.8"), "vip 10.88.1.8/32"),
        (Options(address="fd00:88::8/64", interface="bond0.12"), "vip fd00:88::8/64 on bond0.12"),
        (Options(address="fd00:88::8", door="preferred", probe=Duration(0.0)), "vip fd00:88::8/128"),
    ],
)
def test_an_address_is_named(options: Options, name: str) -> None:
    one = make(options)
    assert one.name == name
    assert one.closes_by_itself


@pytest.mark.parametrize(
    "address",
    [
        "", "10.88.1", "10.88.1.8/33", "a.example", "224.0.0.1", "0.0.0.0/8", "127.0.0.1", "::", "::1", "ff02::1",
        "fe80::1%eth0", "10.88.1.8/24/24", "\u0661\u0660.1.1.1", "10.88.1.8/255.0.255.0", "255.255.255.255",
        "10.88.1.0/24", "10.88.1.255/24", "::ffff:10.88.1.8",
    ],
)  # fmt: skip
def test_what_cannot_follow_a_lease_is_refused(address: str) -> None:
    with pytest.raises(InputError) as caught:
        make(Options(address=address))
    assert caught.value.where == "address"


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (Options(address="10.88.1.8", interface="../../etc"), "interface"),
        (Options(address="10.88.1.8", interface="an interface"), "interface"),
        (Options(address="10.88.1.8", interface="sixteen-letters-"), "interface"),
        (Options(address="10.88.1.8", interface=".."), "interface"),
        (Options(address="10.88.1.8", probe=Duration(11.0)), "probe"),
        (Options(address="10.88.1.8", announce_count=0), "announce_count"),
        (Options(address="10.88.1.8", announce_interval=Duration(0.0)), "announce_interval"),
        (Options(address="10.88.1.8", announce_every=Duration(0.0)), "announce_every"),
    ],
)
def test_what_is_beyond_a_limit_is_refused(options: Options, where: str) -> None:
    with pytest.raises(InputError) as caught:
        make(options)
    assert caught.value.where == where


def test_a_door_that_is_off_closes_nothing() -> None:
    assert not make(Options(address="10.88.1.8", door="off")).closes_by_itself
