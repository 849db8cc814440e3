"""Published failures come out as expected, for the reason for which they were published."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from drilling import Command, measure_of, report_of, trial_of

from bascule.drill.stories import shelf
from bascule.lab import abilities, isolation

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def hosts() -> None:
    if why := isolation.available():
        pytest.skip(f"namespaces: {why}")


@pytest.mark.parametrize("name", shelf.stories())
def test_a_story_comes_out_as_expected(name: str, run: Callable[..., Command], tmp_path: Path) -> None:
    if name == "certificate-expiry" and (why := abilities.clocks_refusal()):
        pytest.skip(why)
    if name == "certificate-expiry" and shutil.which("openssl") is None:
        pytest.skip("no openssl, which makes the certificate")
    code, out, err = run("drill", "--story", name, "-o", tmp_path / "run").result(350.0)
    assert code == 0, out + err
    trial = trial_of(report_of(tmp_path / "run"), name)
    assert trial["verdict"]["outcome"] == shelf.story(name).expected
    assert trial["surprise"] == ""
    if name == "github-2018":
        assert measure_of(trial, "rpo_writes")["value"] > 0
    if name == "meta-2021":
        assert measure_of(trial, "rto")["value"] > 14.0
    if name == "certificate-expiry":
        assert measure_of(trial, "rto")["value"] > 11.0
    if name == "kinesis-2020":
        assert measure_of(trial, "later_outage")["value"] > 10.0
    if name == "retry-storm":
        assert measure_of(trial, "rto")["value"] == "never"
