"""What drills measured, written and read again; what was changed by hand is refused."""

import math
from collections.abc import Sequence

import msgspec
import pytest

from bascule.kernel.errors import InputError
from bascule.measure.calibration import MOST_BYTES, Calibrated, Calibration, decode, encode, times


def calibration(values: Sequence[float | None]) -> Calibration:
    one = Calibrated(
        system="shop",
        engine="postgresql",
        experiment="primary-kill",
        judged=len(values),
        undetermined=1,
        times={"rto": times(values)},
    )
    return Calibration(measured=(one,))


def test_what_was_written_is_read_again() -> None:
    for values in ([], [1.0, None, math.inf], [20.1 + k / 7 for k in range(30)]):
        assert decode(encode(calibration(values))) == calibration(values)


def test_what_never_came_or_was_not_measured_is_counted_and_bounds_nothing() -> None:
    found = times([3.0, math.inf, None, 1.0, math.nan])
    assert (found.samples, found.never, found.unmeasured) == ((3.0, 1.0), 1, 2)
    assert times([1.0] * 28 + [math.inf]).bounds.get("P90") is None
    assert times([1.0] * 29).bounds["P90"] == 1.0


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"judged": 29', b'"judged": 28', "not of 28 judged"),
        (b'"judged": 29', b'"judged": -1', "negative"),
        (b'"P90": 1.0', b'"P90": 0.5', "do not follow"),
        (b'"never": 0', b'"never": 1e999', "not a calibration"),
        (b'"format": 1', b'"format": 2', "format 2"),
        (b'"system"', b'"sistem"', "not a calibration"),
    ],
)
def test_what_contradicts_itself_is_refused(old: bytes, new: bytes, complaint: str) -> None:
    text = encode(calibration([1.0] * 29))
    assert old in text
    with pytest.raises(InputError, match=complaint):
        decode(text.replace(old, new, 1))


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"[" * 100_000, b" " * (MOST_BYTES + 1)])
def test_what_is_no_calibration_is_refused(text: bytes) -> None:
    with pytest.raises(InputError):
        decode(text)


def test_more_than_can_be_checked_in_time_is_refused() -> None:
    many = (
        encode(calibration([1.0]))
        .replace(b'"judged": 1', b'"judged": 999999999999')
        .replace(b'"never": 0', b'"never": 999999999998')
    )
    with pytest.raises(InputError, match="more than 20000 times"):
        decode(many)


def test_a_negative_time_is_refused() -> None:
    broken = calibration([1.0])
    minus = msgspec.structs.replace(broken.measured[0].times["rto"], samples=(-1.0,))
    entry = msgspec.structs.replace(broken.measured[0], times={"rto": minus})
    with pytest.raises(InputError, match="negative"):
        decode(encode(Calibration(measured=(entry,))))
