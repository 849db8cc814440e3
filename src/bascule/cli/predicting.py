"""What `bascule predict` does once its arguments are read: the parts that load numpy and charts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bascule.availability import catalogue
from bascule.availability.predict import Asked, predict
from bascule.availability.prediction import Prediction
from bascule.availability.render import as_json as render_json
from bascule.availability.render import page as render_html
from bascule.availability.render import terminal as render_terminal
from bascule.cli.output import emit, terminal
from bascule.cli.predict import Question
from bascule.cli.predict_measured import measured
from bascule.cli.system_file import load_described
from bascule.engines import registry
from bascule.system.model import System


def allow(limit_s: float) -> Callable[[], bool]:
    """Says whether so many seconds are over, from now on."""
    end = time.monotonic() + limit_s
    return lambda: time.monotonic() >= end


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """A bar on standard error for as long as months are simulated; nothing where nobody looks."""
    console = terminal()
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("simulating months", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def of_system(file: Path, reports: Sequence[Path], question: Question, *, quiet: bool) -> tuple[System, Prediction]:
    """The system in this file, and what is predicted of it.

    Raises:
        SystemFileError: With every problem of the file.
        InputError: A report cannot be used.
    """
    system = load_described(file)
    drilled = measured(system, reports) if reports else {}
    with progress(quiet=quiet) as watch:
        asked = Asked(
            allow=allow,
            limit_s=question.limit_s,
            months=question.months,
            seed=question.seed,
            shown=question.top,
            engine=question.engine,
            on_progress=watch,
        )
        return system, predict(system, registry.figures(system), drilled, asked)


def page(told: Prediction, system: System) -> str:
    """The prediction as one HTML file."""
    return render_html.html(told, system)


def document(told: Prediction) -> bytes:
    """The prediction as one JSON document."""
    return render_json.to_json(told)


def text(told: Prediction, top: int) -> RenderableType:
    """The prediction for a terminal, with so many changes and minimal cut sets."""
    return render_terminal.summary(told, top)


def show_services(*, as_json: bool) -> int:
    """Print the catalogue of cloud services."""
    table = Table("like", "provider", "what", "published")
    for one in catalogue.SERVICES.values():
        table.add_row(one.name, one.provider, one.what, one.label)
    emit(list(catalogue.SERVICES.values()), as_json=as_json, text=table)
    return 0
