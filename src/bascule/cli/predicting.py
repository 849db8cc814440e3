"""What `bascule predict` does once its arguments are read: the parts that load numpy and charts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bascule.availability import catalogue, openpsa, solving
from bascule.availability.predict import Asked, predict
from bascule.availability.prediction import Prediction
from bascule.availability.uptime import uptime
from bascule.cli.output import emit, terminal
from bascule.cli.predict_measured import measured
from bascule.cli.system_file import load_described
from bascule.engines import registry
from bascule.kernel.errors import InputError


def allowed(limit_s: float) -> Callable[[], bool]:
    """Says whether so many seconds are over, from now on."""
    end = time.monotonic() + limit_s
    return lambda: time.monotonic() >= end


@contextmanager
def progress(*, enabled: bool) -> Iterator[Callable[[float], None] | None]:
    """A bar on standard error for as long as months are simulated; nothing where nobody looks."""
    console = terminal()
    if not enabled or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("simulating months", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def of_system(file: Path, reports: Sequence[Path], asked: Asked) -> Prediction:
    """The prediction of the system in this file.

    Raises:
        SystemFileError: With every problem of the file.
        InputError: A report cannot be used.
    """
    system = load_described(file)
    return predict(system, registry.figures(system), measured(system, reports) if reports else {}, asked)


def show_services(*, as_json: bool) -> int:
    """Print the catalogue of cloud services."""
    table = Table("like", "provider", "what", "published", "that is")
    for one in catalogue.SERVICES.values():
        table.add_row(one.name, one.provider, one.what, str(one.availability), one.label)
    emit(list(catalogue.SERVICES.values()), as_json=as_json, text=table)
    return 0
