"""What each toxic makes of bytes, on a clock that is only a number."""

from __future__ import annotations

import msgspec
import pytest

from bascule.chaos.proxy.flow import MOST_PIECES, NARROW_BYTES, Acting, Flow, Tally
from bascule.chaos.proxy.toxics import (
    AnyToxic,
    Bandwidth,
    Latency,
    LimitData,
    Piece,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
    is_hit,
)
from bascule.kernel.dice import LoadedDice


def flow_under(*toxics: Toxic, shares: tuple[float, ...] = ()) -> tuple[Flow, list[Tally]]:
    flow = Flow(LoadedDice(shares))
    tallies = [Tally() for _ in toxics]
    flow.replace(tuple(Acting(toxic, tally, 0.0) for toxic, tally in zip(toxics, tallies, strict=True)), 0.0)
    return flow, tallies


def course(flow: Flow) -> list[tuple[bytes, float]]:
    return [(piece.data, round(piece.due_s, 6)) for piece in flow.waiting]


def test_without_toxics_bytes_are_due_when_they_come() -> None:
    flow, _ = flow_under()
    flow.push(b"one", 5.0)
    assert course(flow) == [(b"one", 5.0)]


def test_latency_delays_and_jitter_moves_it_both_ways() -> None:
    flow, _ = flow_under(Latency(latency_s=1.0, jitter_s=0.5), shares=(0.0, 0.5, 0.99))
    for moment in (10.0, 20.0, 30.0):
        flow.push(b"x", moment)
    assert course(flow) == [(b"x", 10.5), (b"x", 21.0), (b"x", 31.49)]


def test_jitter_never_turns_the_order_round() -> None:
    flow, _ = flow_under(Latency(latency_s=1.0, jitter_s=1.0), shares=(0.99, 0.0))
    flow.push(b"first", 10.0)
    flow.push(b"second", 10.1)
    assert course(flow) == [(b"first", 11.98), (b"second", 11.98)]


class Hasty(Latency, frozen=True, kw_only=True, tag="hasty"):
    """The mutant: a latency that forgets what went before."""

    def pass_on(self, pieces: object, free_s: float, dice: object) -> tuple[list[Piece], float]:
        return super().pass_on(pieces, 0.0, dice)[0], free_s  # type: ignore[arg-type]  # as loose as a mutant may be


def test_a_latency_that_turned_the_order_round_would_be_seen() -> None:
    flow, _ = flow_under(Hasty(latency_s=1.0, jitter_s=1.0), shares=(0.99, 0.0))
    flow.push(b"first", 10.0)
    flow.push(b"second", 10.1)
    assert course(flow) != sorted(course(flow), key=lambda one: one[1])


def test_bandwidth_carries_so_much_each_second_whatever_comes_at_once() -> None:
    flow, _ = flow_under(Bandwidth(rate_bytes_per_s=1000))
    flow.push(bytes(500), 10.0)
    flow.push(bytes(500), 10.0)
    assert flow.waiting[-1].due_s == pytest.approx(11.0)
    assert max(len(piece.data) for piece in flow.waiting) == 50
    assert sum(len(piece.data) for piece in flow.waiting) == 1000


def test_a_line_that_was_idle_has_saved_nothing_up() -> None:
    flow, _ = flow_under(Bandwidth(rate_bytes_per_s=1000))
    flow.push(bytes(10), 100.0)
    assert course(flow) == [(bytes(10), 100.01)]


def test_slices_have_their_size_more_or_less_and_a_pause_between_them() -> None:
    flow, _ = flow_under(Slicer(average_bytes=3, variation_bytes=2, delay_s=0.1), shares=(0.0, 0.99, 0.5))
    flow.push(b"abcdefghi", 1.0)
    assert course(flow) == [(b"a", 1.0), (b"bcdef", 1.1), (b"ghi", 1.2)]


def test_a_slice_is_never_empty() -> None:
    flow, _ = flow_under(Slicer(average_bytes=1, variation_bytes=100), shares=(0.0, 0.0))
    flow.push(b"ab", 1.0)
    assert [data for data, _ in course(flow)] == [b"a", b"b"]


@pytest.mark.parametrize("toxic", [Timeout(timeout_s=0), ResetPeer()])
def test_what_drops_lets_nothing_pass_and_counts_it(toxic: AnyToxic) -> None:
    flow, (tally,) = flow_under(toxic)
    flow.push(b"lost", 1.0)
    assert course(flow) == []
    assert flow.drops()
    assert flow.acting[0].dropped
    assert (tally.connections, tally.acts, tally.bytes) == (1, 1, 4)


def test_how_each_ends_a_connection() -> None:
    assert Timeout(timeout_s=0).ends_after_s() is None, "held for ever"
    assert Timeout(timeout_s=2).ends_after_s() == (2, "close")
    assert ResetPeer().ends_after_s() == (0, "reset")
    assert Acting(ResetPeer(timeout_s=3), Tally(), 7.0).ends_at() == (10.0, "reset")
    assert Latency(latency_s=1).ends_after_s() is None


def test_the_narrowest_limit_counts_and_only_what_was_handed_on() -> None:
    flow, _ = flow_under(LimitData(bytes=10, name="wide"), LimitData(bytes=4, name="narrow"))
    flow.push(b"abcdefgh", 1.0)
    allowance = flow.allowance()
    assert allowance is not None
    assert (allowance[0], allowance[1].toxic.label) == (4, "narrow")
    flow.passed(3)
    allowance = flow.allowance()
    assert allowance is not None
    assert allowance[0] == 1


def test_toxics_act_in_their_order() -> None:
    flow, _ = flow_under(Latency(latency_s=1.0), Slicer(average_bytes=2, delay_s=0.5))
    flow.push(b"abcd", 1.0)
    assert course(flow) == [(b"ab", 2.0), (b"cd", 2.5)]


def test_what_waits_is_let_go_when_the_toxic_goes() -> None:
    flow, _ = flow_under(Latency(latency_s=60.0))
    flow.push(b"held", 1.0)
    assert flow.take(2.0) is None
    flow.replace((), 2.0)
    piece = flow.take(2.0)
    assert piece is not None
    assert piece.data == b"held"
    assert flow.waiting_bytes == 0


def test_what_waits_is_held_by_what_stays() -> None:
    flow, _ = flow_under(Latency(latency_s=60.0), Slicer(average_bytes=1))
    flow.push(b"ab", 1.0)
    flow.replace(flow.acting[:1], 11.0)
    assert [due_s for _, due_s in course(flow)] == [61.0, 61.0], "as of when it came, not once more"


def test_bytes_are_counted_once_however_often_the_toxics_change() -> None:
    flow, (tally,) = flow_under(Latency(latency_s=60.0))
    flow.push(b"held", 1.0)
    flow.replace(flow.acting, 2.0)
    flow.push(b"more", 3.0)
    assert (tally.connections, tally.acts, tally.bytes) == (1, 2, 8)


def test_a_flow_is_full_at_its_limit_and_a_latency_may_hold_more() -> None:
    flow, _ = flow_under(Bandwidth(rate_bytes_per_s=1000))
    flow.push(bytes(NARROW_BYTES - 1), 1.0)
    assert not flow.is_full()
    flow.push(b"x", 1.0)
    assert flow.is_full()
    flow.replace((Acting(Latency(latency_s=1), Tally(), 0.0),), 1.0)
    assert not flow.is_full()


def test_a_flow_is_full_of_pieces_however_small_they_are() -> None:
    flow, _ = flow_under(Latency(latency_s=1), Slicer(average_bytes=1))
    flow.push(bytes(MOST_PIECES), 1.0)
    assert flow.is_full()


def test_what_was_not_taken_goes_first_next_time() -> None:
    flow, _ = flow_under()
    flow.push(b"abcd", 1.0)
    flow.push(b"ef", 1.0)
    piece = flow.take(1.0)
    assert piece is not None
    flow.put_back(piece, piece.data[3:])
    assert [data for data, _ in course(flow)] == [b"d", b"ef"]
    assert flow.waiting_bytes == 3


def test_toxicity_is_a_share_of_connections() -> None:
    toxic = Latency(latency_s=1, toxicity=0.3)
    assert is_hit(toxic, LoadedDice([0.29]))
    assert not is_hit(toxic, LoadedDice([0.3]))
    assert is_hit(Latency(latency_s=1), LoadedDice([])), "the dice are not asked about what is sure"
    assert not is_hit(Latency(latency_s=1, toxicity=0), LoadedDice([0.0]))


def test_a_toxic_is_named_by_its_type_and_direction() -> None:
    assert SlowClose(delay_s=1).label == "slow_close_downstream"
    assert ResetPeer(stream="upstream").label == "reset_peer_upstream"
    assert ResetPeer(name="mine").label == "mine"


@pytest.mark.parametrize(
    "text",
    [
        '{"toxic": "latency", "latency_s": -1}',
        '{"toxic": "latency", "latency_s": 1e9}',
        '{"toxic": "latency"}',
        '{"toxic": "bandwidth", "rate_bytes_per_s": 0}',
        '{"toxic": "slicer", "average_bytes": 0}',
        '{"toxic": "limit_data", "bytes": -1}',
        '{"toxic": "timeout", "timeout_s": 1, "toxicity": 1.1}',
        '{"toxic": "timeout", "timeout_s": 1, "stream": "sideways"}',
        '{"toxic": "timeout", "timeout_s": 1, "name": "a b"}',
        '{"toxic": "timeout", "timeout_s": 1, "unknown": 1}',
        '{"toxic": "frogs"}',
    ],
)
def test_what_is_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=AnyToxic)
