"""A series of grades ends where one of them is not passed, for whatever reason."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bascule.drill import run as drill
from bascule.drill import trial
from bascule.drill.blows import Blows
from bascule.drill.experiments import CATALOGUE
from bascule.drill.plan import Run, Timing
from bascule.drill.report import Trial
from bascule.drill.stage import Stage
from bascule.kernel.errors import LabError
from bascule.measure.verdict import Outcome, Verdict
from bascule.system import parse

SYSTEM = parse(
    """
system: shop
objectives: {availability: {target: 99.9%, window: 30d}}
regions: {north: {zones: [north-a]}}
components:
  store: {engine: postgresql, replicas: {north-a: 1}, needs: {quorum: hard}}
  quorum: {engine: etcd, replicas: {north-a: 1}}
workload: {through: store, port: postgresql, protocol: postgresql, rate: 50/s}
""",
    "shop.yaml",
)


def told(ending: Outcome, *, expected: Outcome = "PASS", surprise: str = "") -> Trial:
    verdict = Verdict(outcome=ending, reasons=("a reason",))
    return Trial(experiment="x", title="", scope="process", verdict=verdict, expected=expected, surprise=surprise)


def series(monkeypatch: pytest.MonkeyPatch, first: Trial | Exception, *, refused: str = "", graded: str = "it") -> int:
    """How many of three grades are tried if the first comes out like this."""
    tried: list[int] = []

    def one(_: object, run: Run, *__: object, **___: object) -> Trial:
        tried.append(run.number)
        if len(tried) > 1 or not isinstance(first, Exception):
            return first if len(tried) == 1 and isinstance(first, Trial) else told("PASS")
        raise first

    monkeypatch.setattr(trial, "control", lambda *_: told("PASS"))
    monkeypatch.setattr(trial, "trial", one)
    runs = tuple(Run(experiment=CATALOGUE["primary-kill"], number=n, phase_s=0.0, graded=graded) for n in (1, 2, 3))
    options = drill.Options(
        system=SYSTEM, source=Path("x"), runs=runs, timing=Timing(), seed=1, directory=Path("nowhere")
    )
    blows = SimpleNamespace(refusal=lambda run: refused if run.number == 1 else "", make=None)
    drill._trials(cast("Stage", SimpleNamespace()), options, cast("Blows", blows))
    return len(tried)


def test_it_goes_on_while_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert series(monkeypatch, told("PASS")) == 3


@pytest.mark.parametrize(
    "first",
    [
        told("FAIL"),
        told("INVALID"),
        told("ABORTED"),
        told("FAIL", expected="FAIL"),
        told("PASS", expected="FAIL", surprise="it was expected to FAIL"),
        LabError("gone"),
    ],
)
def test_it_ends_at_the_first_that_is_not_passed(monkeypatch: pytest.MonkeyPatch, first: Trial | Exception) -> None:
    """Also at a failure that was expected: a worse grade would only do more harm."""
    assert series(monkeypatch, first) == 1


def test_a_grade_that_cannot_be_had_here_is_none_that_was_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert series(monkeypatch, told("PASS"), refused="no disks that can fail") == 0


def test_what_has_no_grades_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    assert series(monkeypatch, told("FAIL"), graded="") == 3
    assert series(monkeypatch, told("PASS"), graded="", refused="no disks that can fail") == 2
