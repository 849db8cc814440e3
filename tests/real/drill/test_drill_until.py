"""A drill until a claim is settled, on a real system: it runs the trials that this takes, and no more."""

from collections.abc import Callable
from pathlib import Path

import pytest
from drilling import QUICK, Command, report_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]


def test_a_claim_that_cannot_be_is_refuted_long_before_its_last_trial(
    run: Callable[..., Command], tmp_path: Path
) -> None:
    code, out, err = run(
        "drill", QUICK, "-e", "entry-kill", "--until", "rto p90 <= 1ms", "-o", tmp_path / "run"
    ).result(400)
    assert code == 1, err
    claimed = report_of(tmp_path / "run")["claimed"]
    assert (claimed["ending"], claimed["trials"], claimed["limit"]) == ("refuted", 2, 29)
    assert "trial 2 of at most 29, so far 1 over" in err
    assert "refuted after 2 trials" in out


def test_a_claim_that_holds_is_shown_by_as_many_trials_as_it_takes(run: Callable[..., Command], tmp_path: Path) -> None:
    code, out, err = run(
        "drill", QUICK, "-e", "entry-kill", "--until", "rto p50 <= 60s", "-o", tmp_path / "run"
    ).result(800)
    assert code == 0, err
    report = report_of(tmp_path / "run")
    assert (report["claimed"]["ending"], report["claimed"]["within"]) == ("shown", 5)
    assert len(report["trials"]) == 6
    assert "shown after 5 trials" in out
