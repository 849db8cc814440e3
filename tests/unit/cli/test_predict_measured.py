"""What drills measured becomes a failover time and a coverage with their bounds, of the components that were hit."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.cli.predict_measured import measured
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Share
from bascule.measure.calibration import Calibrated, Calibration, encode, times
from bascule.measure.statistics import clopper_pearson
from bascule.system import parse
from bascule.system.starter import STARTER

SYSTEM = parse(STARTER, "starter.yaml")


def calibrated(
    path: Path,
    *rtos: float,
    engine: str = "postgresql",
    system: str = SYSTEM.system,
    experiment: str = "primary-kill",
) -> Path:
    entry = Calibrated(
        system=system,
        engine=engine,
        experiment=experiment,
        judged=len(rtos),
        undetermined=0,
        times={"rto": times(list(rtos))},
    )
    path.write_bytes(encode(Calibration(measured=(entry,))))
    return path


def test_the_mean_of_the_outages_is_taken_with_what_bounds_their_median(tmp_path: Path) -> None:
    found = measured(SYSTEM, [calibrated(tmp_path / "a.json", *(float(number) for number in range(1, 21)), 231.0)])
    one = found["database"]
    assert one.failover_s is not None
    assert one.failover_s.estimate == 21.0
    assert one.failover_s.low < 11.0 < one.failover_s.high < 21.0
    assert one.trials == 21


def test_a_loss_that_nobody_noticed_is_no_failover_time(tmp_path: Path) -> None:
    one = measured(SYSTEM, [calibrated(tmp_path / "a.json", 0.0, 0.0, 20.0)])["database"]
    assert one.failover_s is not None
    assert one.failover_s.estimate == 20.0


def test_too_few_trials_bound_nothing(tmp_path: Path) -> None:
    one = measured(SYSTEM, [calibrated(tmp_path / "a.json", 20.0)])["database"]
    assert one.failover_s is not None
    assert (one.failover_s.low, one.failover_s.high) == (0.0, float("inf"))


def test_coverage_is_the_assumption_moved_by_what_was_seen(tmp_path: Path) -> None:
    one = measured(SYSTEM, [calibrated(tmp_path / "a.json", 20.0, 21.0, float("inf"))])["database"]
    interval = clopper_pearson(2, 3)
    assert one.recovered.estimate == pytest.approx(2 / 3)
    assert (one.recovered.low, one.recovered.high) == (interval.low, interval.high)
    assert one.coverage(Share(0.95)).fraction == pytest.approx((2 + 20 * 0.95) / 23)
    assert one.at(good=False).coverage(Share(0.95)).fraction == pytest.approx(interval.low, abs=1e-6)
    assert one.at(good=True).coverage(Share(0.95)).fraction == pytest.approx(interval.high, abs=1e-6)


def test_one_good_trial_makes_no_prediction_worse(tmp_path: Path) -> None:
    one = measured(SYSTEM, [calibrated(tmp_path / "a.json", 20.0)])["database"]
    assert one.coverage(Share(0.95)) > Share(0.95)


def test_losses_that_nobody_noticed_prove_no_failover(tmp_path: Path) -> None:
    one = measured(SYSTEM, [calibrated(tmp_path / "a.json", *[0.0] * 70, 20.0, float("inf"))])["database"]
    assert one.trials == 2
    assert one.recovered.estimate == 0.5


def test_experiments_that_take_nobody_away_do_not_count(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no failover"):
        measured(SYSTEM, [calibrated(tmp_path / "a.json", 20.0, experiment="full-disk")])


def test_the_same_drill_counts_once(tmp_path: Path) -> None:
    path = calibrated(tmp_path / "a.json", 20.0)
    with pytest.raises(InputError, match="given twice"):
        measured(SYSTEM, [path, path])


def test_several_files_are_taken_together(tmp_path: Path) -> None:
    files = [calibrated(tmp_path / "a.json", 20.0), calibrated(tmp_path / "b.json", 22.0)]
    assert measured(SYSTEM, files)["database"].trials == 2


def test_drills_of_another_system_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="other-one"):
        measured(SYSTEM, [calibrated(tmp_path / "a.json", 20.0, system="other-one")])


def test_drills_of_no_engine_of_this_system_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no failover"):
        measured(SYSTEM, [calibrated(tmp_path / "a.json", 20.0, engine="redis+etcd")])


def test_a_file_that_is_neither_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[]")
    with pytest.raises(InputError, match="not a report"):
        measured(SYSTEM, [path])
    with pytest.raises(InputError, match="cannot be read"):
        measured(SYSTEM, [tmp_path / "none.json"])


def test_the_time_is_told_in_its_parts_where_drills_know_them(tmp_path: Path) -> None:
    entry = Calibrated(
        system=SYSTEM.system,
        engine="postgresql",
        experiment="primary-kill",
        judged=3,
        undetermined=0,
        times={"rto": times([20.0, 21.0, 22.0]), "detection": times([17.0, 18.0, 19.0]), "failover": times([2.0] * 3)},
    )
    path = tmp_path / "a.json"
    path.write_bytes(encode(Calibration(measured=(entry,))))
    told = measured(SYSTEM, [path])["database"].parts
    assert [(name, part.seconds) for name, part in told] == [
        ("it was noticed", 18.0),
        ("another took over", 2.0),
        ("clients came back", 1.0),
    ]
    assert measured(SYSTEM, [calibrated(tmp_path / "b.json", 20.0)])["database"].parts == ()
