from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.cluster.decisions.lease import Timing, check
from bascule.kernel.errors import InputError

DRIFT = st.floats(0, 0.2)
TTL = st.floats(0.1, 3600)
SHARE = st.floats(-1, 1)
DELAY = st.floats(0, 1000)


@given(ttl_s=TTL, drift=DRIFT, holder=SHARE, rival=SHARE, on_the_way_s=DELAY, in_the_store_s=DELAY)
def test_the_holder_has_stopped_before_a_rival_may_begin_whatever_clocks_and_network_do(
    *, ttl_s: float, drift: float, holder: float, rival: float, on_the_way_s: float, in_the_store_s: float
) -> None:
    timing = Timing(ttl_s=ttl_s, drift=drift, stop_s=ttl_s / 10)
    holders_rate, rivals_rate = 1 + drift * holder, 1 + drift * rival
    sent_s = 0.0  # true time
    holders_end_s = sent_s + timing.valid_s / holders_rate
    seen_s = sent_s + on_the_way_s + in_the_store_s
    rivals_begin_s = seen_s + ttl_s / rivals_rate
    assert holders_end_s <= rivals_begin_s * (1 + 1e-9)


@given(ttl_s=TTL, drift=DRIFT)
def test_it_begins_to_stop_before_the_validity_ends(ttl_s: float, drift: float) -> None:
    timing = Timing(ttl_s=ttl_s, drift=drift, stop_s=ttl_s / 10)
    assert timing.stop_at_s(5.0) == pytest.approx(timing.valid_until_s(5.0) - ttl_s / 10)
    assert timing.valid_until_s(5.0) <= 5.0 + ttl_s


@pytest.mark.parametrize(
    "timing",
    [
        Timing(ttl_s=0.01),
        Timing(ttl_s=4000),
        Timing(ttl_s=1, stop_s=0),
        Timing(ttl_s=1, stop_s=0.6),
        Timing(ttl_s=1, drift=-0.1),
        Timing(ttl_s=1, drift=0.5, stop_s=0.1),
    ],
)
def test_times_that_leave_no_room_are_refused(timing: Timing) -> None:
    with pytest.raises(InputError):
        check(timing)


def test_times_that_leave_room_are_taken() -> None:
    assert check(Timing(ttl_s=0.5, stop_s=0.05)).renew_s == pytest.approx(0.5 / 3)
