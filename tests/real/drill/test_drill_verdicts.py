"""Real systems, real failures: promises that hold are PASS, promises that do not are FAIL with the exact count."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from drilling import EXAMPLES, Command, measure_of, report_of, trial_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

FAULTS = (
    "primary-kill",
    "postmaster-kill",
    "primary-freeze",
    "host-loss",
    "zone-loss",
    "region-loss",
    "partition",
    "switchover",
)
ENTRIES = ("entry-kill", "entry-host-loss", "entry-partition")


@pytest.mark.alone
def test_taskmanagerpro_survives_everything(run: Callable[..., Command], tmp_path: Path) -> None:
    """Every experiment: nothing acknowledged is lost, nobody splits, and the engines' own events explain the rest."""
    where = tmp_path / "run"
    code, out, err = run("drill", EXAMPLES / "taskmanagerpro" / "bascule.yaml", "--all", "-o", where, "--json").result(
        800
    )
    report = json.loads(out)
    outcomes = {trial["experiment"]: trial["verdict"]["outcome"] for trial in report["trials"]}
    why = json.dumps({trial["experiment"]: trial["verdict"]["reasons"] for trial in report["trials"]}, indent=1)
    assert set(outcomes) == {"control", *FAULTS, *ENTRIES}, why
    assert set(outcomes.values()) == {"PASS"}, why
    assert code == 0, err
    for name in (*FAULTS, *ENTRIES):
        for measure in ("rpo_writes", "lost_after_fault", "duplicated", "phantom", "split_brain"):
            assert measure_of(trial_of(report, name), measure)["value"] == 0, (name, measure)
    for name in FAULTS:
        trial = trial_of(report, name)
        assert any(mark["kind"] == "noticed" for mark in trial["marks"]), name
        assert any(mark["kind"] == "promoted" for mark in trial["marks"]), name
    for name in ("report.html", "junit.xml", "report.json"):
        assert (where / name).stat().st_size > 1000
    assert not list(where.rglob("*.pgpass")), "a password was left behind"
    code, out, err = run("check", where).result()
    assert code == 0, f"judged again from its records: {out}{err}"
    for member in ("database-paris-a-1", "database-lyon-a-1"):
        log = (where / "lab" / "logs" / f"{member}.log").read_text(errors="replace")
        before, _, _ = log.partition("listening on IPv4 address")
        assert before, log
        assert "Selected new etcd server" not in before, f"{member} left the store's member in its own zone"


def test_taskmanagerpro_behind_one_address_follows_it(run: Callable[..., Command], tmp_path: Path) -> None:
    """The edge that has the address is cut off: the other one takes it, and never do both have it."""
    file = EXAMPLES / "taskmanagerpro" / "active-passive.yaml"
    code, out, err = run("drill", file, "-e", "entry-partition", "-o", tmp_path / "run").result()
    trial = trial_of(report_of(tmp_path / "run"), "entry-partition")
    assert code == 0, out + err
    assert trial["target"].startswith("edge-paris-a-")
    for measure in ("rpo_writes", "lost_after_fault", "duplicated", "phantom", "split_brain", "entry_split"):
        assert measure_of(trial, measure)["value"] == 0, measure


def test_asynchronous_replication_loses_writes_and_says_how_many(run: Callable[..., Command], tmp_path: Path) -> None:
    code, _, err = run(
        "drill", EXAMPLES / "negative" / "asynchronous.yaml", "-e", "partition", "-o", tmp_path / "run"
    ).result()
    assert code == 1, err
    trial = trial_of(report_of(tmp_path / "run"), "partition")
    lost = measure_of(trial, "rpo_writes")
    assert lost["value"] > 0
    assert lost["met"] is False
    assert lost["value"] == count_lost(tmp_path / "run" / "partition-1")
    code, out, err = run("check", tmp_path / "run", "--json").result()
    assert code == 1, err
    clients = json.loads(out)["trials"]["partition-1"]["clients"].values()
    assert sum(len(client["lost"]) for client in clients) == lost["value"], "judged again from its records"


def count_lost(directory: Path) -> int:
    """Acknowledged writes that the final audit did not find, counted from the files alone."""
    lost = 0
    for client in ("outside", "pinned"):
        present = json.loads((directory / f"{client}.present.json").read_bytes())["copies"]
        for line in (directory / f"{client}.jsonl").read_text().splitlines():
            number, _, _, _, _, outcome, writes, *_ = json.loads(line)
            lost += writes and outcome in {"good", "late"} and str(number) not in present
    return lost


def test_retries_without_idempotency_store_twice(run: Callable[..., Command], tmp_path: Path) -> None:
    """The reports go where they go by default: below the current directory."""
    words = ("-e", "primary-freeze", "--for", "1s")
    _, _, err = run("drill", EXAMPLES / "negative" / "retries.yaml", *words).result()
    (where,) = (tmp_path / "bascule-runs").iterdir()
    trial = trial_of(report_of(where), "primary-freeze")
    assert trial["verdict"]["outcome"] in {"PASS", "FAIL"}, err + json.dumps(trial["verdict"]["reasons"])
    assert measure_of(trial, "duplicated")["value"] > 0
    assert measure_of(trial, "rpo_writes")["value"] == 0
