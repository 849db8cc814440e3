"""Drills at the entry: an address that a lease moves, one that keepalived moves, and edges that clients know all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from drilling import Command, measure_of, report_of, trial_of

from bascule.engines import binaries
from bascule.kernel.errors import MissingProgramError
from bascule.lab import isolation

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

DOORWAY = Path(__file__).with_name("doorway.yaml")
BASCULE = "{kind: vip, store: leases, ttl: 2s}"


@pytest.fixture(autouse=True)
def hosts() -> None:
    if why := isolation.available():
        pytest.skip(f"namespaces: {why}")


def doorway(directory: Path, entry: str) -> Path:
    """The small system, with this entry."""
    text = DOORWAY.read_text()
    assert BASCULE in text
    path = directory / "doorway.yaml"
    path.write_text(text.replace(BASCULE, entry))
    (directory / "notebook.py").write_text(DOORWAY.with_name("notebook.py").read_text())
    return path


def test_an_address_that_a_lease_moves_is_never_on_two_hosts(run: Callable[..., Command], tmp_path: Path) -> None:
    words = ("-e", "entry-partition", "-e", "entry-switchover", "-o", tmp_path / "run")
    code, out, err = run("drill", DOORWAY, *words).result()
    assert code == 0, out + err
    report = report_of(tmp_path / "run")
    for name in ("entry-partition", "entry-switchover"):
        trial = trial_of(report, name)
        assert trial["target"].startswith("edge-north-a-")
        assert measure_of(trial, "entry_split")["value"] == 0
        assert any(mark["kind"] == "promoted" for mark in trial["marks"])
    told = " ".join(trial_of(report, "entry-partition")["explanation"])
    assert "it failed over to edge-north-a-" in told


def test_keepalived_serves_the_clients_in_a_partition_and_fails_for_its_two_holders(
    run: Callable[..., Command], tmp_path: Path
) -> None:
    try:
        binaries.find("keepalived")
    except MissingProgramError as error:
        pytest.skip(f"keepalived: {error}")
    file = doorway(tmp_path, "{kind: vip, provider: keepalived}")
    code, out, err = run("drill", file, "-e", "entry-partition", "-o", tmp_path / "run").result()
    assert code == 1, out + err
    trial = trial_of(report_of(tmp_path / "run"), "entry-partition")
    split = measure_of(trial, "entry_split")
    assert split["value"] > 0
    assert "edge-north-a-1 and edge-north-a-2 had it at once" in split["note"]
    assert measure_of(trial, "rto")["met"]
    (reason,) = trial["verdict"]["reasons"]
    assert "entry's address twice" in reason


def test_edges_that_clients_know_all_get_their_verdict_too(run: Callable[..., Command], tmp_path: Path) -> None:
    file = doorway(tmp_path, "{kind: members}")
    code, out, err = run("drill", file, "-e", "entry-kill", "-o", tmp_path / "run").result()
    assert code == 0, out + err
    trial = trial_of(report_of(tmp_path / "run"), "entry-kill")
    assert trial["target"] == "edge-north-a-1"
    assert all(measure["name"] != "entry_split" for measure in trial["verdict"]["measures"])


def test_what_a_system_cannot_have_is_said_before_anything_starts(run: Callable[..., Command], tmp_path: Path) -> None:
    file = doorway(tmp_path, "{kind: members}")
    for experiment, why in (("primary-kill", "no component has a primary"), ("entry-switchover", "no address to move")):
        code, _, err = run("drill", file, "-e", experiment, "-o", tmp_path / "run").result(30)
        assert code == 2
        assert why in err
    assert not (tmp_path / "run").exists()
