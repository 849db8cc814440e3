"""What the kernel is told so that the door is never open beyond the validity."""

from __future__ import annotations

import errno
import math
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.cluster.actuators import door, netlink
from bascule.cluster.actuators.door import Door
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import ActuatorError

NEWRULE, NEWSETELEM, DELSETELEM = 0xA06, 0xA0C, 0xA0E
WALL_OFFSET_S = 1_700_000_000.0


class Line:
    """A kernel that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[list[tuple[int, bytes]]] = []
        self.refusal = self.blindness = 0

    def execute(self, data: bytes, _acknowledged: int) -> None:
        if self.refusal:
            raise OSError(self.refusal, "refused")
        messages, offset = [], 0
        while offset < len(data):
            length, kind = struct.unpack_from("=IH", data, offset)
            messages.append((kind, bytes(data[offset + netlink.HEADER.size + 4 : offset + length])))
            offset += length
        self.told.append(messages)

    def dump(self, _kind: int, *_parts: bytes) -> list[tuple[int, bytes]]:
        if self.blindness:
            raise OSError(self.blindness, "blind")
        return []


class DriftingClock(FakeClock):
    """Time passes between one look at it and the next."""

    step_s = 0.0

    def monotonic_s(self) -> float:
        self.advance(self.step_s)
        return super().monotonic_s()

    def wall_s(self) -> float:
        self.advance(self.step_s)
        return super().wall_s()


def made(address: str = "10.88.1.8") -> tuple[Door, Line, DriftingClock]:
    clock = DriftingClock(1000.0, WALL_OFFSET_S)
    made, line = Door(ip_address(address), clock), Line()
    made._line = line  # type: ignore[assignment]  # a stand-in for the kernel
    return made, line, clock


def timeouts_ms(messages: list[tuple[int, bytes]]) -> set[int]:
    """How long the elements of a batch live: the last attribute of each is the time."""
    return {int.from_bytes(body[-8:], "big") for kind, body in messages if kind == NEWSETELEM}


def limits_s(messages: list[tuple[int, bytes]]) -> set[float]:
    found = set()
    for kind, body in messages:
        if kind == NEWRULE:
            place = body.index(b"cmp\0")
            value = struct.pack("=HH", 12, 1)
            found.add(int.from_bytes(body[body.index(value, place) + 4 :][:8], "big") / 1e9)
    return found


def sets(messages: list[tuple[int, bytes]], wanted: int) -> set[bytes]:
    names = (b"even\0", b"odd\0")
    return {name for kind, body in messages if kind == wanted for name in names if name in body}


@pytest.mark.parametrize("address", ["10.88.1.8", "fd00:88::8"])
def test_both_clocks_end_at_the_validity(address: str) -> None:
    one, line, _ = made(address)
    assert one.open(1002.5)
    (messages,) = line.told
    assert timeouts_ms(messages) == {2500}
    (limit_s,) = limits_s(messages)
    assert limit_s == pytest.approx(WALL_OFFSET_S + 1002.5, abs=1e-5)
    assert limit_s <= WALL_OFFSET_S + 1002.5


@given(left_s=st.floats(0.02, 1e6), step_s=st.floats(0, 1), begun_s=st.floats(0, 1e6))
def test_never_beyond_the_validity_however_slowly_it_is_worked_out(
    left_s: float, step_s: float, begun_s: float
) -> None:
    one, line, clock = made()
    clock.advance(begun_s)
    clock.step_s = step_s
    until_s = 1000 + begun_s + left_s
    one.open(until_s)
    now_s = clock._now_s
    for messages in line.told:
        assert all(now_s + one / 1000 <= until_s + 1e-6 for one in timeouts_ms(messages))
        assert all(one <= WALL_OFFSET_S + until_s for one in limits_s(messages))


@pytest.mark.parametrize("until_s", [999.0, 1000.0, 1000.009, -math.inf, math.nan])
def test_a_validity_that_is_over_closes(until_s: float) -> None:
    one, line, _ = made()
    one.open(until_s)
    (messages,) = line.told
    assert timeouts_ms(messages) == set()
    assert sets(messages, DELSETELEM) == {b"even\0", b"odd\0"}


def test_no_validity_is_for_ever() -> None:
    one, line, _ = made()
    with pytest.raises(ActuatorError):
        one.open(math.inf)
    assert line.told == []


def test_the_sets_are_written_in_turn_so_that_one_always_holds() -> None:
    one, line, clock = made()
    for turn in range(4):
        clock.advance(0.1)
        one.open(1002.5 + turn)
        written = sets(line.told[-1], NEWSETELEM)
        assert written == {b"odd\0" if turn % 2 else b"even\0"}
        assert sets(line.told[-1], DELSETELEM) == written


def test_a_shorter_validity_ends_the_longer_one() -> None:
    one, line, _ = made()
    one.open(1009.0)
    one.open(1002.0)
    assert sets(line.told[1], NEWSETELEM) == {b"odd\0"}
    assert sets(line.told[2], DELSETELEM) == {b"even\0"}
    one.open(1003.0)
    assert len(line.told) == 4


def test_a_door_that_was_taken_away_is_told() -> None:
    one, line, _ = made()
    line.refusal = errno.ENOENT
    assert one.open(1002.0) is False
    assert one.close() is False
    one.remove()


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.EPERM, "CAP_NET_ADMIN"), (errno.EAFNOSUPPORT, "modprobe nf_tables"), (errno.EPROTONOSUPPORT, "preferred")],
)
def test_a_refusal_says_what_to_do(number: int, hint: str) -> None:
    one, line, _ = made()
    line.refusal = number
    for method in (one.build, one.close, one.remove, lambda: one.open(1002.0)):
        with pytest.raises(ActuatorError) as caught:
            method()
        assert hint in caught.value.hint


def test_a_kernel_without_time_in_rules_gets_a_door_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one, line, _ = made()
    told = line.execute

    def execute(data: bytes, acknowledged: int) -> None:
        if b"meta\0" in data:
            raise OSError(errno.EOPNOTSUPP, "no time here")
        told(data, acknowledged)

    monkeypatch.setattr(line, "execute", execute)
    one.build()
    assert one.open(1002.0)
    assert limits_s(line.told[-1]) == set()
    assert timeouts_ms(line.told[-1]) == {2000}


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_where_tables_have_no_owner_nothing_is_claimed(number: int) -> None:
    one, line, _ = made()
    line.refusal = number
    assert one.claim()
    line.refusal = 0
    one.unclaim()
    assert line.told == []


def test_a_claim_is_made_once_and_refused_to_others() -> None:
    one, line, _ = made()
    assert one.claim()
    assert one.claim()
    assert len(line.told) == 1
    one.unclaim()
    line.refusal = errno.EPERM
    assert not one.claim(), "it may be seen, so it is the claim of another"
    line.blindness = errno.EPERM
    with pytest.raises(ActuatorError):
        one.claim()


def test_each_address_has_a_table_of_its_own() -> None:
    names = {made(address)[0].table for address in ("10.88.1.8", "10.88.1.80", "fd00::8", "fd00::80")}
    assert names == {
        "bascule_10.88.1.8", "bascule_10.88.1.80",
        "bascule_fd000000000000000000000000000008", "bascule_fd000000000000000000000000000080",
    }  # fmt: skip


def test_the_marks_of_a_batch_are_found_once_per_family() -> None:
    for address, families in (("10.88.1.8", 2), ("fd00::8", 1)):
        opening = made(address)[0]._opening[0]
        assert isinstance(opening, door._Opening)
        assert len(opening._timeouts) == len(opening._limits) == families
