"""When frames leave a tap: on a clock that the test moves, with luck that the test chooses."""

import struct
from collections.abc import Sequence
from typing import TypeVar

import pytest
from msgspec import structs

from bascule.chaos.traffic import TrafficCounts, Trouble
from bascule.kernel.dice import SeededDice
from bascule.lab import tap_schedule
from bascule.lab.frames import ACK, RST, SYN, look
from bascule.lab.tap_schedule import REORDER_S, TapSchedule, Way

MACS = bytes(12)
T = TypeVar("T")


def udp(
    number: int, *, source: int = 1, target: int = 2, ports: tuple[int, int] = (1000, 2000), size: int = 0
) -> bytes:
    content = struct.pack("!HHHHI", *ports, 12, 0, number) + bytes(size)
    addresses = bytes((10, 0, 0, source, 10, 0, 0, target))
    return (
        MACS + b"\x08\x00" + struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), 0, 0, 64, 17, 0) + addresses + content
    )


def tcp(flags: int) -> bytes:
    content = struct.pack("!HHIIBBHHH", 1000, 2000, 1, 1, 80, flags, 0, 0, 0)
    addresses = bytes((10, 0, 0, 1, 10, 0, 0, 2))
    return MACS + b"\x08\x00" + struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + addresses + content


class Sure:
    """Luck that always gives the same number."""

    def __init__(self, number: float) -> None:
        self.number = number

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.number

    def choice(self, items: Sequence[T]) -> T:
        return items[0]


def schedule(*troubles: Trouble, luck: float = 0.5) -> TapSchedule:
    made = TapSchedule(Sure(luck))
    made.set_troubles(troubles)
    return made


def test_without_trouble_everything_passes_at_once_and_untouched() -> None:
    tap = schedule()
    assert tap.admit("in", b"anything", 1.0) == (("in", b"anything"),)
    assert tap.next_s() is None


def test_a_delayed_frame_leaves_when_its_time_has_come() -> None:
    tap = schedule(Trouble(delay_s=0.02))
    assert tap.admit("in", udp(1), 1.0) == ()
    assert tap.next_s() == pytest.approx(1.02)
    assert tap.leaving(1.019) == []
    assert tap.leaving(1.021) == [("in", udp(1))]
    assert tap.counts() == (TrafficCounts(met=1, delayed=1),)


def test_jitter_keeps_the_order() -> None:
    tap = TapSchedule(SeededDice(3))
    tap.set_troubles([Trouble(delay_s=0.01, jitter_s=0.05)])
    sent = [udp(number) for number in range(100)]
    for place, frame in enumerate(sent):
        assert tap.admit("in", frame, 1.0 + place * 0.001) == ()
    assert [frame for _, frame in tap.leaving(9.0)] == sent


def test_what_came_before_the_end_of_a_trouble_leaves_before_what_comes_after() -> None:
    tap = schedule(Trouble(delay_s=0.02))
    tap.admit("in", udp(1), 1.0)
    tap.set_troubles([])
    assert tap.admit("in", udp(2), 1.01) == ()
    assert tap.leaving(1.03) == [("in", udp(1)), ("in", udp(2))]
    assert tap.admit("in", udp(3), 1.04) == (("in", udp(3)),)


def test_luck_decides_what_is_lost_doubled_and_damaged() -> None:
    trouble = Trouble(loss=0.3, duplicate=0.3, corrupt=0.3)
    assert schedule(structs.replace(trouble, corrupt=0.0), luck=0.2).admit("in", udp(1), 1.0) == ()
    assert schedule(trouble, luck=0.4).admit("in", udp(1), 1.0) == (("in", udp(1)),)
    assert schedule(Trouble(duplicate=0.3), luck=0.2).admit("in", udp(1), 1.0) == (("in", udp(1)),) * 2
    ((_, damaged),) = schedule(Trouble(corrupt=0.3), luck=0.2).admit("in", udp(1), 1.0)
    assert damaged != udp(1)


def test_a_reordered_frame_is_overtaken() -> None:
    tap = schedule(Trouble(reorder=1.0))
    assert tap.admit("in", udp(1), 1.0) == ()
    tap.set_troubles([])
    assert tap.admit("in", udp(2), 1.001) == (("in", udp(2)),)
    assert tap.leaving(1.0 + REORDER_S) == [("in", udp(1))]


def test_a_rate_lets_frames_pass_one_after_the_other() -> None:
    tap = schedule(Trouble(rate_bytes_per_s=1000.0))
    size = len(udp(0))
    for number in range(3):
        assert tap.admit("in", udp(number), 1.0) == ()
    assert tap.next_s() == pytest.approx(1.0 + size / 1000)
    assert len(tap.leaving(1.0 + 2.01 * size / 1000)) == 2
    assert tap.admit("out", udp(9), 1.0) == (), "each way has its own"


def test_a_full_queue_drops() -> None:
    tap = schedule(Trouble(delay_s=60.0))
    frame = udp(1, size=1400)
    for _ in range(tap_schedule.QUEUE_LIMIT_BYTES // len(frame) + 5):
        tap.admit("in", frame, 1.0)
    assert tap.dropped == 5
    tap.leaving(100.0)
    tap.admit("in", frame, 100.0)
    assert tap.dropped == 5, "what has left makes room"


@pytest.mark.parametrize(
    ("trouble", "way", "frame", "is_met"),
    [
        (Trouble(loss=1.0), "in", udp(1), True),
        (Trouble(loss=1.0, direction="in"), "out", udp(1), False),
        (Trouble(loss=1.0, direction="out"), "out", udp(1), True),
        (Trouble(loss=1.0, protocol="tcp"), "in", udp(1), False),
        (Trouble(loss=1.0, protocol="udp"), "in", udp(1), True),
        (Trouble(loss=1.0, protocol="arp"), "in", udp(1), False),
        (Trouble(loss=1.0, port=2000), "in", udp(1), True),
        (Trouble(loss=1.0, port=1000), "in", udp(1), True),
        (Trouble(loss=1.0, port=3000), "in", udp(1), False),
        (Trouble(loss=1.0, peers=("10.0.0.1",)), "in", udp(1), True),
        (Trouble(loss=1.0, peers=("10.0.0.1",)), "out", udp(1), False),
        (Trouble(loss=1.0, peers=("10.0.0.2",)), "out", udp(1), True),
        (Trouble(loss=1.0, peers=("10.0.0.9",)), "in", udp(1), False),
    ],
    ids=str,
)
def test_only_the_frames_that_are_meant_are_met(trouble: Trouble, way: Way, frame: bytes, *, is_met: bool) -> None:
    tap = schedule(trouble)
    assert (tap.admit(way, frame, 1.0) == ()) is is_met
    assert tap.counts()[0].met == is_met


def test_a_reset_ends_both_ends_and_lets_other_resets_pass() -> None:
    tap = schedule(Trouble(answer="reset"))
    (there, back), (here, onward) = tap.admit("in", tcp(ACK), 1.0)
    assert (there, here) == ("out", "in")
    assert look(back).flags & RST
    assert look(onward).flags & RST
    assert tap.admit("in", tcp(RST), 1.0) == (("in", tcp(RST)),)
    assert tap.admit("in", udp(1), 1.0) == (("in", udp(1)),)


def test_a_refusal_answers_only_what_opens_a_connection() -> None:
    tap = schedule(Trouble(answer="refuse"))
    ((way, back),) = tap.admit("in", tcp(SYN), 1.0)
    assert way == "out"
    assert look(back).flags == RST | ACK
    assert tap.admit("in", tcp(ACK), 1.0) == (("in", tcp(ACK)),)
    assert tap.admit("in", tcp(SYN | ACK), 1.0) == (("in", tcp(SYN | ACK)),)


def test_a_trouble_that_stays_goes_on_counting() -> None:
    late, lossy = Trouble(delay_s=0.1), Trouble(loss=1.0, port=7)
    tap = schedule(late)
    tap.admit("in", udp(1), 1.0)
    tap.set_troubles([lossy, late])
    tap.admit("in", udp(2), 1.0)
    assert [counts.met for counts in tap.counts()] == [0, 2]


def test_troubles_add_up() -> None:
    tap = schedule(Trouble(duplicate=1.0), Trouble(delay_s=0.1))
    assert tap.admit("in", udp(1), 1.0) == ()
    assert tap.leaving(1.2) == [("in", udp(1))] * 2
