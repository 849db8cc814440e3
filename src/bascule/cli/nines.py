"""`bascule nines`: what an availability means in downtime, and what becomes of several of them together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated

from cyclopts import Parameter
from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table

from bascule.availability import nines as arithmetic
from bascule.availability.nines import COST_FACTORS, USUAL, WINDOWS_S, CostFactor, parse, percent, spoken
from bascule.cli.output import emit
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration

Several = Annotated[tuple[str, ...], Parameter(consume_multiple=True)]


class Answer(Struct, frozen=True, kw_only=True):
    """An availability, how it came about, and a time that was asked for beside it."""

    availability: Fraction
    how: str = ""
    asked: Mapping[str, Fraction] = {}


def nines(
    *value: str,
    series: Several = (),
    parallel: Several = (),
    k_of_n: tuple[str, str] | None = None,
    mtbf: str = "",
    mttr: str = "",
    window: str = "",
    table: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Say how much downtime an availability leaves, of one part or of several together, without rounding.

    An availability is 99.95, 99.95%, 0.9995 or "3 nines". A year has 365.25 days, a month is a twelfth of it.
    Several parts are taken to fail independently of each other: what they share fails them together.

    Examples:
        bascule nines 99.95 --window 30d
        bascule nines 3 nines
        bascule nines --series 99.9 99.95 99.99
        bascule nines --parallel 99 99
        bascule nines --k-of-n 2/3 99.9
        bascule nines --mtbf 30d --mttr 1h
        bascule nines 99.99 --mtbf 30d
        bascule nines --table --json

    Args:
        value: An availability; with --mtbf or --mttr alone, the target that asks for the other one.
        series: Parts that are all needed.
        parallel: Parts of which any one will do.
        k_of_n: How many of how many equal parts are needed, and the availability of one: 2/3 99.9.
        mtbf: Mean time between failures, from a repair to the next failure.
        mttr: Mean time to repair.
        window: Say the error budget of this window too: 30d.
        table: The usual table, and what nines are said to cost.
        as_json: Print one JSON object instead of text.
    """
    window_s = _seconds(window, "--window") if window else None
    windows = {**WINDOWS_S, **({window: window_s} if window_s is not None else {})}
    asked = [bool(value), bool(series), bool(parallel), k_of_n is not None, table]
    if sum(asked) > 1 or (any(asked[1:]) and (mtbf or mttr)):
        raise InputError("these are several questions at once", hint="see bascule nines --help")
    if table or not (any(asked) or mtbf or mttr):
        emit(_table_value(windows), as_json=as_json, text=_table(windows))
        return 0
    one = value or mtbf or mttr
    answer = _of_one(" ".join(value), mtbf, mttr) if one else _of_several(series, parallel, k_of_n)
    emit(_answer_value(answer, windows), as_json=as_json, text=_answer(answer, windows))
    return 0


def _seconds(text: str, flag: str) -> Fraction:
    """Exactly what was written, to the nanosecond."""
    try:
        seconds = Fraction(Duration.parse(text).seconds).limit_denominator(10**9)
    except InputError as error:
        raise InputError(error.what, where=flag, hint=error.hint) from error
    if not seconds:
        raise InputError("no time at all", where=flag, hint=f"write it like {Duration.EXAMPLE}")
    return seconds


def _of_one(value: str, mtbf: str, mttr: str) -> Answer:
    if value and mtbf and mttr:
        raise InputError("a target, an MTBF and an MTTR leave nothing to ask", hint="leave one of the three out")
    if value and mtbf:
        target = parse(value)
        longest_s = arithmetic.mttr_needed_s(target, _seconds(mtbf, "--mtbf"))
        return Answer(availability=target, how=f"the target, with an MTBF of {mtbf}", asked={"mttr at most": longest_s})
    if value and mttr:
        target = parse(value)
        shortest_s = arithmetic.mtbf_needed_s(target, _seconds(mttr, "--mttr"))
        how = f"the target, with an MTTR of {mttr}"
        return Answer(availability=target, how=how, asked={"mtbf at least": shortest_s})
    if value:
        return Answer(availability=parse(value))
    if not (mtbf and mttr):
        raise InputError("one of MTBF and MTTR is missing", hint="give both, or a target and one: 99.99 --mtbf 30d")
    found = arithmetic.of_times(_seconds(mtbf, "--mtbf"), _seconds(mttr, "--mttr"))
    return Answer(availability=found, how=f"an MTBF of {mtbf} and an MTTR of {mttr}")


def _of_several(series: tuple[str, ...], parallel: tuple[str, ...], k_of_n: tuple[str, str] | None) -> Answer:
    parts = [parse(each) for each in series or parallel]
    words = ", ".join(map(percent, parts))
    if series:
        return Answer(availability=arithmetic.series(*parts), how=f"all needed: {words}")
    if k_of_n is None:
        return Answer(availability=arithmetic.parallel(*parts), how=f"any one will do: {words}")
    needed, _, replicas = k_of_n[0].partition("/")
    if not (needed.isdecimal() and replicas.isdecimal() and len(k_of_n[0]) < 10):
        raise InputError(f"{k_of_n[0]!r} is not k of n", where="--k-of-n", hint="write it like 2/3 99.9")
    part = parse(k_of_n[1])
    found = arithmetic.k_of_n(int(needed), int(replicas), part)
    return Answer(availability=found, how=f"{int(needed)} of {int(replicas)} needed, each {percent(part)}")


def _plain(availability: Fraction, windows: Mapping[str, Fraction]) -> dict[str, object]:
    return {
        "availability": percent(availability),
        "fraction": float(availability),
        "unavailability": float(1 - availability),
        "nines": arithmetic.nines(availability),
        "downtime_s": {name: float(arithmetic.downtime_s(availability, each)) for name, each in windows.items()},
    }


def _answer_value(answer: Answer, windows: Mapping[str, Fraction]) -> dict[str, object]:
    told: dict[str, object] = {**_plain(answer.availability, windows), "year_days": 365.25}
    if answer.how:
        told["how"] = answer.how
    return {**told, **{f"{name.replace(' ', '_')}_s": float(each) for name, each in answer.asked.items()}}


def _answer(answer: Answer, windows: Mapping[str, Fraction]) -> RenderableType:
    count = arithmetic.nines(answer.availability)
    words = "no downtime at all" if math.isinf(count) else f"{count:.4g} nines"
    because = f" ({answer.how})" if answer.how else ""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, seconds in answer.asked.items():
        table.add_row(name, spoken(seconds))
    for name, window_s in windows.items():
        row = f"down in {name}" if name not in WINDOWS_S else f"down a {name}"
        table.add_row(row, spoken(arithmetic.downtime_s(answer.availability, window_s)))
    return Group(f"{percent(answer.availability)}: {words}{because}", table, "A year is 365.25 days.")


def _table_value(windows: Mapping[str, Fraction]) -> dict[str, object]:
    costs = [
        {"availability": percent(each.availability), "least": each.least, "most": each.most, "basis": each.basis}
        for each in COST_FACTORS
    ]
    return {"year_days": 365.25, "rows": [_plain(each, windows) for each in USUAL], "costs": costs}


def _table(windows: Mapping[str, Fraction]) -> RenderableType:
    titles = (name if name not in WINDOWS_S else f"a {name}" for name in windows)
    table = Table("available", "nines", *titles, box=None, pad_edge=False)
    for each in USUAL:
        left = (spoken(arithmetic.downtime_s(each, window_s)) for window_s in windows.values())
        table.add_row(percent(each), f"{arithmetic.nines(each):.3g}", *left)
    costs = Table("available", "costs", "which is", box=None, pad_edge=False)
    for factor in COST_FACTORS:
        costs.add_row(percent(factor.availability), _cost(factor), factor.basis)
    return Group("Down at most (a year is 365.25 days):", table, "", "Multiples of what 99% costs:", costs)


def _cost(factor: CostFactor) -> str:
    if math.isinf(factor.most):
        return f"{factor.least:g}x and more"
    return f"{factor.least:g}x" if factor.least == factor.most else f"{factor.least:g}-{factor.most:g}x"
