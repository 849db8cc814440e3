"""What faults of clocks and names rely on, held against the same platforms."""

from __future__ import annotations

import time

import pytest
from tests.contract.test_platform_contract import NORTH, SOUTH, need, platform, whole

from bascule.chaos.naming import DnsFailure, DnsTrouble
from bascule.chaos.platform import Platform

__all__ = ["platform", "whole"]


def test_a_clock_is_turned_and_set_right_and_its_neighbour_is_not_touched(platform: Platform) -> None:
    need(platform, "clock")
    assert platform.clock(NORTH).main_reached
    platform.turn_clock(NORTH, step_s=100.0, rate=0.0)
    deadline_s = time.monotonic() + 10
    while abs(platform.clock(NORTH).off_s - 100.0) > 0.5:
        assert time.monotonic() < deadline_s
    assert platform.clock(NORTH).turned
    assert not platform.clock(SOUTH).turned
    assert abs(platform.clock(SOUTH).off_s) < 0.5
    platform.right_clock(NORTH)
    platform.right_clock(NORTH)
    assert not platform.clock(NORTH).turned
    assert abs(platform.clock(NORTH).off_s) < 0.5


@pytest.mark.parametrize(
    ("how", "ending"),
    [("nxdomain", "no such name"), ("servfail", "failure"), ("timeout", "failure"), ("wrong-answer", "addresses")],
)
def test_names_fail_on_one_host_and_not_on_its_neighbour(platform: Platform, how: DnsFailure, ending: str) -> None:
    need(platform, "names")
    trouble = DnsTrouble(how=how, names=(SOUTH,))
    right = (platform.address_of(SOUTH),)
    assert platform.ask_name(NORTH, SOUTH).addresses == right
    platform.add_dns_trouble(NORTH, trouble)
    platform.add_dns_trouble(NORTH, trouble)
    answer = platform.ask_name(NORTH, SOUTH)
    assert answer.ending == ending
    assert answer.addresses != right
    assert platform.ask_name(NORTH, NORTH).addresses == (platform.address_of(NORTH),)
    assert platform.ask_name(SOUTH, SOUTH).addresses == right
    counts = platform.dns_counts(NORTH, trouble)
    assert counts is not None
    assert 0 < counts.hit < counts.asked
    platform.remove_dns_trouble(NORTH, trouble)
    platform.remove_dns_trouble(NORTH, trouble)
    assert platform.dns_counts(NORTH, trouble) is None
    assert platform.ask_name(NORTH, SOUTH).addresses == right


def test_a_host_that_lost_its_power_finds_names_again(platform: Platform) -> None:
    need(platform, "names")
    need(platform, "host")
    platform.power_off((NORTH,))
    platform.power_on((NORTH,))
    assert platform.ask_name(NORTH, SOUTH).addresses == (platform.address_of(SOUTH),)
