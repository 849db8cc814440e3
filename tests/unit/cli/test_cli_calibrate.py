"""`bascule report calibrate`: drills gathered into one file, each once, and none that is not one."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from bascule.cli.calibrate import calibrate
from bascule.drill.render_json import to_json
from bascule.drill.report import Machine, Report, Trial
from bascule.kernel.errors import InputError, MachineError
from bascule.measure.calibration import decode
from bascule.measure.verdict import Measure, Verdict

MACHINE = Machine(kernel="6.1", processors=2, memory_mib=4096, python="3.11", platform="namespaces")


def drilled(started_s: float, *rtos: float) -> Report:
    trials = tuple(
        Trial(
            experiment="primary-kill",
            title="",
            scope="process",
            verdict=Verdict(
                outcome="PASS", reasons=(), measures=(Measure(name="rto", title="RTO", value=rto, unit="s"),)
            ),
        )
        for rto in rtos
    )
    return Report(
        system="shop", outcome="PASS", machine=MACHINE, objectives=(), trials=trials, started_wall_s=started_s
    )


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    paths = (tmp_path / "monday", tmp_path / "tuesday")
    for path, report in zip(paths, (drilled(1.0, 20.0, 21.0), drilled(2.0, float("inf"))), strict=True):
        path.mkdir()
        (path / "report.json").write_bytes(to_json(report))
    return paths


def test_drills_are_gathered_into_one_file(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "calibration.json"
    assert calibrate(*runs, output=output) == 0
    (entry,) = decode(output.read_bytes()).measured
    assert (entry.judged, entry.times["rto"].samples, entry.times["rto"].never) == (3, (20.0, 21.0), 1)
    assert "shop primary-kill: 3 judged; RTO 2 times, 1 never" in capsys.readouterr().out


def test_what_was_gathered_is_told_as_json(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(runs[0], output=tmp_path / "c.json", as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["calibration"]["measured"][0]["judged"] == 2


def test_a_drill_that_is_given_twice_is_refused_and_nothing_is_written(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two of them are the report of one drill"):
        calibrate(runs[0], runs[0] / "report.json", output=tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


def test_no_drill_at_all_and_one_without_faults_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 drills cannot be gathered"):
        calibrate(output=tmp_path / "c.json")
    (tmp_path / "report.json").write_bytes(to_json(replace(drilled(3.0), trials=())))
    with pytest.raises(InputError, match="no trial with a fault was run"):
        calibrate(tmp_path / "report.json", output=tmp_path / "c.json")


def test_a_place_that_cannot_be_written_is_told(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="cannot be written"):
        calibrate(*runs, output=tmp_path / "nowhere" / "c.json")
