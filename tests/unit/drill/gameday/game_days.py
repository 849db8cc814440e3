"""Game days, reports and suites as the tests of this room need them."""

from __future__ import annotations

from pathlib import Path

from bascule.drill.gameday.days import Day, TrialLine
from bascule.drill.report import Machine, Report, Trial
from bascule.measure.verdict import Measure, Outcome, Verdict

WEEK_S = 7 * 86400.0
FIRST_S = 1_780_000_000.0
MACHINE = Machine(kernel="Linux 6", processors=2, memory_mib=2048, python="3.11", platform="namespaces")
SMALL = Path(__file__).parents[3] / "real" / "drill" / "small.yaml"
SUITE = """
system: small.yaml
experiments: [primary-kill]
calendar:
  every: tuesday at 10:00
  zone: Europe/Paris
"""


def build_report(
    rto_s: float | None = 5.0, outcome: Outcome = "PASS", *, started_s: float = FIRST_S, system: str = "small"
) -> Report:
    rto = Measure(name="rto", title="RTO", value=rto_s, unit="s", objective=30.0, met=outcome == "PASS")
    verdict = Verdict(outcome=outcome, reasons=("because",), measures=(rto,))
    control = Verdict(outcome="PASS", reasons=())
    return Report(
        system=system,
        outcome=outcome,
        machine=MACHINE,
        objectives=(),
        trials=(
            Trial(experiment="control", title="", scope="", verdict=control),
            Trial(experiment="primary-kill", title="", scope="process", verdict=verdict),
        ),
        seed=7,
        started_wall_s=started_s,
        duration_s=60.0,
        version="1.0",
    )


def build_day(
    number: int, rto_s: float | None, outcome: Outcome = "PASS", *, version: str = "1.0", machine: str = "one"
) -> Day:
    line = TrialLine(experiment="primary-kill", outcome=outcome, rto_s=rto_s, promised_s=30.0)
    return Day(
        state="done",
        number=number,
        started_s=FIRST_S + number * WEEK_S,
        outcome=outcome,
        version=version,
        machine=machine,
        trials=(TrialLine(experiment="control", outcome="PASS"), line),
    )


def write_suite(directory: Path, text: str = SUITE) -> Path:
    (directory / "small.yaml").write_text(SMALL.read_text())
    file = directory / "gameday.yaml"
    file.write_text(text)
    return file
