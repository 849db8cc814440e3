"""For every quantity: what is printed reads back, and text never raises anything but an InputError."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Quantity, Rate, Share, Size

KINDS: tuple[type[Duration | Share | Size | Rate], ...] = (Duration, Share, Size, Rate)


@settings(deadline=None)
@given(st.floats(min_value=1e-9, max_value=1e12))
def test_a_printed_duration_reads_back_to_the_sixth_decimal(seconds: float) -> None:
    assert math.isclose(Duration.parse(str(Duration(seconds))).seconds, seconds, rel_tol=1e-6)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**13))
def test_whole_milliseconds_read_back_exactly(value_ms: int) -> None:
    duration = Duration.parse(f"{value_ms}ms")
    assert Duration.parse(str(duration)) == duration


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**10))
def test_a_printed_share_reads_back_exactly(parts: int) -> None:
    share = Share.parse(f"{parts / 10**10:.10f}")
    assert Share.parse(str(share)) == share


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_a_printed_size_reads_back_exactly(size_bytes: int) -> None:
    assert Size.parse(str(Size(size_bytes))) == Size(size_bytes)


@settings(deadline=None)
@given(st.floats(min_value=1e-4, max_value=1e9))
def test_a_printed_rate_reads_back_to_the_sixth_decimal(per_s: float) -> None:
    assert math.isclose(Rate.parse(str(Rate(per_s))).per_s, per_s, rel_tol=1e-6)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**8), st.sampled_from(["/s", "/min", "/h", "/d"]))
def test_whole_rates_read_back_exactly(count: int, unit: str) -> None:
    rate = Rate.parse(f"{count}{unit}")
    assert math.isclose(Rate.parse(str(rate)).per_s, rate.per_s, rel_tol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None)
@given(text=st.one_of(st.text(), st.from_regex(r"[0-9]{1,20}\.?[0-9]{0,15} ?[a-zA-Zµ%/]{0,4}", fullmatch=True)))
def test_any_text_is_a_quantity_or_an_input_error(kind: type[Quantity], text: str) -> None:
    try:
        quantity = kind.parse(text)
    except InputError:
        return
    assert str(quantity)


@settings(deadline=None)
@given(st.floats(min_value=0, max_value=1e9), st.floats(min_value=0, max_value=1e9))
def test_durations_are_ordered_and_added_like_their_seconds(a: float, b: float) -> None:
    assert (Duration(a) < Duration(b)) == (a < b)
    assert (Duration(a) + Duration(b)).seconds == a + b
