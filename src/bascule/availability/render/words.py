"""A prediction's numbers and sentences, the same in every form: digits never say better than was predicted. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from bascule.availability.prediction import YEAR_S, Prediction, Recovery, Survival, Uptime, Weight

NEVER = "never"
INFINITE = "infinite"
UNKNOWN = "—"
MOST_DECIMALS = 12
_LINE_ENDS = "\n\r\t\u2028\u2029"
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def clean(text: str) -> str:
    """The text without terminal escapes, control characters or direction overrides; line ends become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if letter in _LINE_ENDS else letter
        for letter in _ESCAPE.sub("", text)
        if letter in _LINE_ENDS or unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Co"}
    )


def short(text: str, characters: int) -> str:
    """The cleaned text in at most so many characters, an ellipsis among them where it was cut."""
    text = clean(text)
    return text if len(text) <= characters else text[: characters - 1] + "…"


def duration_text(seconds: float) -> str:
    """A time in its two largest units: `6 h 8 min`, `42 s`, `320 ms`; `never` when infinite."""
    if math.isinf(seconds):
        return NEVER
    if seconds < 0:
        return f"\N{MINUS SIGN}{duration_text(-seconds)}"
    for unit_s, name, part_s, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        whole, rest = divmod(round(seconds / part_s), unit_s // part_s)
        if whole:
            return f"{whole} {name} {rest} {part}" if rest else f"{whole} {name}"
    return _below_a_minute(seconds)


def _below_a_minute(seconds: float) -> str:
    if seconds == 0 or round(seconds) >= 10:
        return f"{seconds:.0f} s"
    if round(seconds, 1) >= 1:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    for unit, factor in (("ms", 1e3), ("µs", 1e6)):
        if round(seconds * factor) >= 1:
            return f"{seconds * factor:.0f} {unit}"
    return "less than 1 µs"


def percent_text(unavailability: float, target: float | None = None) -> str:
    """An availability: `99.93 %`; its distance to 100 % has two digits, or as many as it takes to tell it from target.

    Args:
        unavailability: In [0, 1]: it has the digits that `1 - unavailability` lost.
        target: In (0, 1); the text stands on the side of it on which the value stands.
    """
    exact = 100 - Decimal(unavailability) * 100
    if unavailability <= 0:
        return "100 %"
    decimals = min(MOST_DECIMALS, max(2, 1 - math.floor(math.log10(unavailability * 100))))
    shown = _rounded(exact, decimals)
    if target is not None:
        goal = _rounded(Decimal(target) * 100, MOST_DECIMALS)
        while decimals < MOST_DECIMALS and (shown < goal) != (exact < goal):
            decimals += 1
            shown = _rounded(exact, decimals)
    if shown == 100:
        return "> " + "99." + "9" * MOST_DECIMALS + " %"
    return f"{_trimmed(shown)} %"


def target_text(target: float) -> str:
    """A promised availability with every digit that was given: `99.95 %`."""
    return f"{_trimmed(_rounded(Decimal(target) * 100, 10))} %"


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals))


def _trimmed(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def share_text(share: float) -> str:
    """A part of a whole: `61 %`, `3.2 %`, `0.04 %`, `< 0.01 %`; never all or nothing where it is not."""
    percent = share * 100
    if percent in {0, 100} or percent >= 100:
        return f"{percent:.0f} %"
    if percent > 99:
        return "> 99 %"
    if percent < 0.01:
        return "< 0.01 %" if percent > 0 else f"{percent:.2g} %"
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.1f} %" if percent >= 0.995 else f"{percent:.2f} %"


def probability_text(probability: float) -> str:
    """A probability: `12.3 %`, or `3.1 x 10⁻⁷` when it is small; 0 only when it is."""
    if probability == 0 or probability >= 0.001:
        return f"{probability * 100:.3g} %" if probability < 0.9995 or probability == 1 else "> 99.9 %"
    mantissa, _, exponent = f"{probability:.1e}".partition("e")
    return f"{mantissa} \N{MULTIPLICATION SIGN} 10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def factor_text(factor: float) -> str:
    """How many times: `12.3`, `2,310`; `infinite` when it is."""
    if math.isinf(factor) or math.isnan(factor):
        return INFINITE if factor > 0 else UNKNOWN
    return f"{factor:,.0f}" if abs(factor) >= 100 else f"{factor:.2f}" if abs(factor) < 10 else f"{factor:.1f}"


def gain_text(factor: float) -> str:
    """How many times its cost a change gives back: `1.35 times`, `less than 0.01 times`."""
    return "less than 0.01 times" if 0 < factor < 0.005 else f"{factor_text(factor)} times"


def money_text(amount: float, currency: str) -> str:
    """An amount: `EUR 12,300`."""
    number = f"{amount:,.0f}" if abs(amount) >= 10 or amount == 0 else f"{amount:,.2f}"
    return f"{clean(currency)} {number}".strip()


def nines_text(uptime: Uptime) -> str:
    """How many nines: `3.1 nines`, rounded down, so that it never says better."""
    if math.isinf(uptime.nines):
        return "never down"
    return f"{math.floor(uptime.nines * 10 + 1e-9) / 10:.1f} nines"


def expected_text(uptime: Uptime, target: float | None = None) -> str:
    """The expected availability; between its bounds where it is not exact."""
    worst = percent_text(uptime.unavailability, target)
    best = percent_text(uptime.lower, target)
    return worst if uptime.exact or best == worst else f"{worst.removesuffix(' %')} to {best}"


def downtime_text(uptime: Uptime, period_s: float) -> str:
    """The expected downtime in a period; between its bounds where it is not exact."""
    most, least = (duration_text(share * period_s) for share in (uptime.unavailability, uptime.lower))
    return most if uptime.exact or most == least else f"{least} to {most}"


def verdict_text(prediction: Prediction) -> str:
    """One sentence for an operator: what is expected, what was promised, what that means in a year, and the verdict."""
    uptime = prediction.uptime
    ending = {
        True: "the promise would be kept",
        False: "the promise would be missed",
        None: "the bounds leave open whether the promise would be kept",
    }[prediction.meets]
    down = f"about {downtime_text(uptime, YEAR_S)} down a year" if uptime.unavailability > 0 else "never down"
    return (
        f"{expected_text(uptime, prediction.target)} expected, {target_text(prediction.target)} promised: "
        f"{down}; {ending}."
    )


def word(meets: bool | None) -> str:
    """`KEPT`, `MISSED` or `OPEN`."""
    return {True: "KEPT", False: "MISSED", None: "OPEN"}[meets]


def bare_name(weight: Weight) -> str:
    """A part's name without the kind before it: `paris-a` for `zone paris-a`."""
    return clean(weight.part).removeprefix(f"{weight.kind} ")


def part_name(weight: Weight) -> str:
    """A part's name, with its kind before it where that is a place or a service: `zone paris-a`."""
    name = bare_name(weight)
    return f"{weight.kind} {name}" if weight.kind in {"zone", "region", "service"} else name


def lost_text(survival: Survival) -> str:
    """What is lost: `zone paris-a`, `zones paris-a and lyon-a`."""
    plural = "s" if len(survival.lost) > 1 else ""
    return clean(f"{survival.scope}{plural} {' and '.join(survival.lost)}")


def rto_text(recovery: Recovery) -> str:
    """How long clients are not served, and what was promised: `42 s, 30 s promised`; `none` for 0."""
    return _beside(recovery.rto_s, recovery.promised_rto_s, "none")


def rpo_text(recovery: Recovery) -> str:
    """How much acknowledged work is lost, and what was promised: `up to 1 d, 0 s promised`; `nothing` for 0."""
    if recovery.lost_s is None:
        return _beside(math.nan, recovery.promised_rpo_s, "")
    return ("up to " if recovery.lost_s > 0 else "") + _beside(recovery.lost_s, recovery.promised_rpo_s, "nothing")


def _beside(seconds: float, promised_s: float | None, zero: str) -> str:
    """A time and its promise; with digits enough to tell the two apart where the promise is missed."""
    said = "not known" if math.isnan(seconds) else duration_text(seconds) if seconds else zero
    if promised_s is None:
        return f"{said}, nothing promised"
    promised = duration_text(promised_s)
    if seconds > promised_s and said == promised:
        said = f"{seconds:.12g} s"
    return f"{said}, {promised} promised"


def period_words(span_s: float) -> tuple[str, str]:
    """What so long a time is called, one and many: `month` and `months` for 28 to 31 days, else `span of 7 d`."""
    if 28 * 86400 <= span_s <= 31 * 86400:
        return "month", "months"
    return f"span of {duration_text(span_s)}", f"spans of {duration_text(span_s)}"


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many more there are: `a, b and 3 more`; empty without any."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return clean(", ".join(names[:most])) + rest


def is_kept(uptime: Uptime, target: float) -> bool:
    """Whether a system of this availability surely keeps the promise, of whose digits the last are not asked."""
    return uptime.unavailability <= 1 - target or math.isclose(uptime.unavailability, 1 - target, rel_tol=1e-9)


def count_text(count: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 replica`, `1,204 replicas`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def calibration_text(prediction: Prediction) -> str:
    """What measurements changed, in one sentence; empty without any."""
    told = prediction.calibration
    if told is None:
        return ""
    without, best, worst = (percent_text(one.unavailability) for one in (told.without, told.best, told.worst))
    return f"Without the drills {without} would be expected; at the bounds of what they measured {worst} to {best}."
