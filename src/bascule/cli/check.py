"""`bascule check`: judge saved histories again, without any system: yours, or those of a drill."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bascule.cli.output import emit
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.measure.checkers.judgement import Judgement, judge, plain
from bascule.measure.history import is_history, read_history
from bascule.measure.saved_trial import SavedTrial, check_saved_trial, is_saved_trial
from bascule.measure.verdict import EXIT_CODES, Outcome


def check(
    path: Path,
    /,
    *,
    max_staleness: str = "",
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Judge a history: whether anything in it happened that one sound copy of each object would not have done.

    A history is a file: {"history":"bascule","version":1}, then one operation a line:
    ["write","balance",1,0.1,0.25,"ok","client-1"]. Registers (write, read) are judged by linearizability, sets (add,
    members), lists (append, list) and queues (enqueue, dequeue, effect, drained) by what was lost, doubled, invented or
    out of order. The directory of a drill, or of one of its trials, is judged by its clients' records.

    Exit codes: 0 PASS; 1 FAIL; 2 INVALID: it shows nothing, or is no history.

    Examples:
        bascule check history.jsonl
        bascule check history.jsonl --max-staleness 5s
        bascule check bascule-runs/taskmanagerpro-20260314-101500 --json

    Args:
        path: A history, or the directory of a drill or of a trial.
        max_staleness: Registers may answer with what was overwritten at most this long ago; instead of linearizability.
        as_json: Print one JSON document instead of text.
    """
    bound_s = Duration.parse(max_staleness).seconds if max_staleness else None
    if path.is_dir():
        if bound_s is not None:
            raise InputError("--max-staleness is for a history of registers", where=str(path))
        return _check_trials(path, as_json=as_json)
    if not path.exists():
        raise InputError("there is no such file", where=str(path))
    if not is_history(path):
        hint = 'its first line must be {"history":"bascule","version":1}; of a drill, name the directory'
        raise InputError("this is no history", where=str(path), hint=hint)
    judgement = judge(read_history(path), max_staleness_s=bound_s)
    emit(plain(judgement), as_json=as_json, text=_table(judgement))
    return EXIT_CODES[judgement.outcome]


def _table(judgement: Judgement) -> Group:
    table = Table(
        "object", "type", "operations", "reads", "found", title=_title(judgement.outcome), title_justify="left"
    )
    for each in sorted(judgement.objects, key=lambda one: -one.violations)[:50]:
        found = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in each.broken().items())
        style = "red" if each.violations else ""
        row = (each.key, each.type, f"{each.operations:,}", f"{each.looks:,}", Text(found or "nothing", style=style))
        table.add_row(*row)
    return Group(table, *judgement.reasons)


def _title(outcome: Outcome) -> Text:
    return Text(outcome, style={"PASS": "bold green", "FAIL": "bold red"}.get(outcome, "bold yellow"))


def _check_trials(path: Path, *, as_json: bool) -> int:
    places = [path] if is_saved_trial(path) else [each for each in sorted(path.iterdir()) if is_saved_trial(each)]
    if not places:
        raise InputError("no trial left its records here", where=str(path), hint="name a directory of bascule-runs/")
    found = {place.name: check_saved_trial(place) for place in places}
    outcome = _outcome(found.values())
    table = Table("trial", "client", "lost", "duplicated", "phantom", "split brain", title=_title(outcome))
    table.title_justify = "left"
    for name, trial in found.items():
        for client, one in trial.sets.items():
            counts = (len(one.lost), len(one.duplicated), len(one.phantom), trial.epochs.violations)
            table.add_row(name, client, *map(str, counts), style="red" if any(counts) else "")
        for client in trial.unread:
            table.add_row(name, client, *["not read at the end"] * 3, str(trial.epochs.violations), style="yellow")
    emit(
        {"outcome": outcome, "trials": {name: _trial(one) for name, one in found.items()}}, as_json=as_json, text=table
    )
    return EXIT_CODES[outcome]


def _outcome(trials: Iterable[SavedTrial]) -> Outcome:
    judged = list(trials)
    if any(one.violations for one in judged):
        return "FAIL"
    return "INVALID" if any(one.unread for one in judged) else "PASS"


def _trial(one: SavedTrial) -> dict[str, object]:
    return {
        "records": one.records,
        "split_brain": one.epochs,
        "unread": one.unread,
        "clients": {
            client: {
                name: sorted(getattr(found, name)) for name in ("lost", "duplicated", "phantom", "recovered_unknown")
            }
            for client, found in one.sets.items()
        },
    }
