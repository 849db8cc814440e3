"""`bascule predict --openpsa`: a foreign fault tree solved, with its cut sets and what matters most."""

from __future__ import annotations

from pathlib import Path

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bascule.availability.render.words import clean
from bascule.availability.structure import Structure
from bascule.availability.trees import cut_sets, importance, openpsa, solving
from bascule.availability.trees.cut_sets import CutSet
from bascule.cli.output import emit
from bascule.cli.predict import Question
from bascule.cli.predicting import allow
from bascule.kernel.errors import InputError

MOST_BYTES = 64 * 2**20


class Solved(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a fault tree.

    Attributes:
        cut_sets: How many minimal ones there are; None where they cannot be had.
        likeliest: Some of them, the likeliest first.
        importances: Of the basic events, the highest criticality first; empty where there are only bounds.
    """

    file: str
    top: str
    probability: float
    lower: float
    upper: float
    method: str
    nodes: int
    basic_events: int
    cut_sets: int | None = None
    by_order: dict[int, int] = {}
    likeliest: tuple[CutSet, ...] = ()
    importances: tuple[importance.Importance, ...] = ()


def show(file: Path, gate: str, question: Question, *, mission_time: float | None, as_json: bool) -> int:
    """Solve the fault tree in this file and print what came of it.

    Raises:
        InputError: The file is none, or has several top gates and none was named.
    """
    model = openpsa.read(_content(file), str(file), mission_time=mission_time)
    top = gate or _only(model)
    told = _solved(str(file), top, openpsa.structure(model, top), question)
    emit(msgspec.to_builtins(told, str_keys=True), as_json=as_json, text=_text(told, question.top))
    return 0


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file), hint="give an Open-PSA file") from error


def _only(model: openpsa.Model) -> str:
    if len(model.tops) == 1:
        return model.tops[0]
    several = ", ".join(model.tops[:10])
    what = f"{len(model.tops)} gates are not part of another: {several}" if model.tops else "there is no gate"
    raise InputError(what, where=model.file, hint="name one: --gate NAME")


def _solved(file: str, top: str, structure: Structure, question: Question) -> Solved:
    solution = solving.solve(structure, expired=allow(question.limit_s), engine=question.engine)
    told = Solved(
        file=file,
        top=top,
        probability=solution.unavailability,
        lower=solution.lower,
        upper=solution.upper,
        method=solution.method,
        nodes=solution.nodes,
        basic_events=len(structure.events),
    )
    if solution.solved is None:
        return told
    found = importance.of(solution.solved, structure.events, expired=allow(question.limit_s))
    told = msgspec.structs.replace(told, importances=found.events)
    try:
        sets = cut_sets.of_solved(solution.solved, expired=allow(question.limit_s))
    except InputError:
        return told
    likeliest = sets.top(question.top).sets
    return msgspec.structs.replace(told, cut_sets=sets.count, by_order=sets.by_order, likeliest=likeliest)


def _text(told: Solved, shown: int) -> Group:
    exact = told.lower == told.upper
    chance = f"{told.probability:.6e}" if exact else f"between {told.lower:.6e} and {told.upper:.6e}"
    lines = [
        f"{clean(told.top)}: {chance} ({told.method}, {told.nodes} nodes, {told.basic_events} basic events)",
        "minimal cut sets: "
        + ("not known" if told.cut_sets is None else f"{told.cut_sets}, by order {_orders(told.by_order)}"),
    ]
    sets = Table("probability", "minimal cut set")
    for one in told.likeliest:
        sets.add_row(f"{one.probability:.4e}", clean(" · ".join(one.events)))
    events = Table("basic event", "Birnbaum", "criticality", "Fussell-Vesely", "RAW", "RRW")
    for each in told.importances[:shown]:
        share = "-" if each.fussell_vesely is None else f"{each.fussell_vesely:.4g}"
        worth = (f"{each.risk_achievement:.4g}", f"{each.risk_reduction:.4g}")
        events.add_row(clean(each.name), f"{each.birnbaum:.4g}", f"{each.criticality:.4g}", share, *worth)
    tables = [table for table in (sets, events) if table.row_count]
    left = (told.cut_sets or 0) - len(told.likeliest)
    more = [Text(f"and {left} more cut sets (--top)")] if left > 0 else []
    return Group(Text("\n".join(lines)), *tables, *more)


def _orders(by_order: dict[int, int]) -> str:
    return ", ".join(f"{order}: {count}" for order, count in by_order.items()) or "none"
