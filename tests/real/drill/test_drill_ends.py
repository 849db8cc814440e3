"""However a drill ends, it says why in one line, has the right exit code, and leaves nothing running."""

import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from drilling import ORDINARY, SMALL, Command, measure_of, report_of, trial_of, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def one_line(err: str) -> str:
    """The one complaint on standard error, without the progress before it; a traceback would be more."""
    assert "Traceback" not in err
    complaints = [line for line in err.splitlines() if line.startswith("bascule: ")]
    assert len(complaints) == 1, err
    return complaints[0]


PROGRESS = ["bringing the system up", "control trial", "the fault acts"]


@pytest.mark.parametrize("moment", PROGRESS)
def test_ctrl_c_at_any_moment(moment: str, run: Callable[..., Command], tmp_path: Path) -> None:
    drill = run("drill", SMALL, "-o", tmp_path / "run", "-e", "primary-freeze")
    assert drill.process.stderr is not None
    seen = ""
    while moment not in seen:
        line = drill.process.stderr.readline()
        assert line, f"the drill ended before {moment!r}: {seen}"
        seen += line
    drill.process.send_signal(signal.SIGINT)
    code, _, err = drill.result(60)
    assert code == 3, err
    assert "Traceback" not in err
    if moment == "the fault acts":
        assert report_of(tmp_path / "run")["outcome"] == "ABORTED"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_while_the_database_starts(number: int, run: Callable[..., Command], tmp_path: Path) -> None:
    drill = run("drill", SMALL, "-o", tmp_path / "run")
    log = tmp_path / "run" / "lab" / "logs" / "database-north-a-1.log"
    wait_until(lambda: log.exists() and log.stat().st_size, 60.0, "PostgreSQL starts")
    drill.process.send_signal(number)
    code, _, err = drill.result(60)
    assert code == 3, err
    assert one_line(err) == "bascule: stopped"


def test_sigkill_takes_the_lab_along(run: Callable[..., Command], tmp_path: Path) -> None:
    drill = run("drill", SMALL, "-o", tmp_path / "run")
    log = tmp_path / "run" / "lab" / "logs" / "database-north-a-1.log"
    wait_until(lambda: log.exists() and log.stat().st_size, 60.0, "PostgreSQL starts")
    drill.process.send_signal(signal.SIGKILL)
    drill.process.communicate()


def test_a_broken_system_file(run: Callable[..., Command], tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(SMALL.read_text().replace("engine: haproxy", "engine: haproxi").replace("rate: 50/s", "rate: 50"))
    code, _, err = run("drill", broken).result(30)
    assert code == 2
    assert "Traceback" not in err
    assert "broken.yaml:" in err


def test_a_missing_engine(run: Callable[..., Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASCULE_ETCD", str(tmp_path / "no-such-etcd"))
    code, _, err = run("drill", SMALL, "-o", tmp_path / "run").result(30)
    assert code == 2
    assert "etcd" in one_line(err)


def test_a_file_that_is_not_there(run: Callable[..., Command]) -> None:
    code, _, err = run("drill", "nowhere.yaml").result(30)
    assert code == 2
    assert "nowhere.yaml" in one_line(err)


def test_an_output_directory_that_cannot_be_made(run: Callable[..., Command]) -> None:
    code, _, err = run("drill", SMALL, "-o", "/proc/nowhere").result(30)
    assert code == 2
    assert "--output" in one_line(err)


def test_a_dry_run_says_the_plan_and_does_nothing(run: Callable[..., Command], tmp_path: Path) -> None:
    code, out, _ = run("drill", SMALL, "--dry-run", "--all", "-o", tmp_path / "run").result(30)
    assert code == 0
    assert "partition" in out
    assert not (tmp_path / "run").exists()


def test_on_loopback_what_cannot_be_done_is_skipped_and_said(run: Callable[..., Command], tmp_path: Path) -> None:
    words = ("--isolation", "loopback", "-o", tmp_path / "run", "-e", "postmaster-kill", "-e", "partition")
    code, out, err = run("drill", SMALL, *words, within=ORDINARY).result()
    assert code == 0, out + err
    report = report_of(tmp_path / "run")
    assert report["machine"]["platform"] == "loopback"
    assert "network" in trial_of(report, "partition")["skipped"]
    assert measure_of(trial_of(report, "postmaster-kill"), "rpo_writes")["value"] == 0


@pytest.mark.alone
def test_a_busy_port(run: Callable[..., Command], tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 5432)):  # noqa: S104 - takes the port on every loopback address
        code, _, err = run("drill", SMALL, "--isolation", "loopback", "-o", tmp_path / "run", within=ORDINARY).result(
            60
        )
    assert code == 2, err
    assert "port 5432" in one_line(err)


def on_a_small_disk(directory: Path, size: str) -> tuple[str, ...]:
    """Runs a command with a disk of this size at the directory, which the command alone sees."""
    directory.mkdir()
    mount = f'mount -t tmpfs -o size={size} small "$0" && exec "$@"'
    return ("unshare", "-U", "-m", "--map-root-user", "--", "sh", "-c", mount, str(directory))


def test_a_disk_that_is_too_small_for_a_lab(run: Callable[..., Command], tmp_path: Path) -> None:
    disk = on_a_small_disk(tmp_path / "disk", "50m")
    code, _, err = run("drill", SMALL, "-o", tmp_path / "disk" / "run", within=disk).result(60)
    assert code == 2, err
    assert "MiB" in one_line(err)


def test_a_disk_that_fills_up_aborts_the_drill(run: Callable[..., Command], tmp_path: Path) -> None:
    disk = on_a_small_disk(tmp_path / "disk", "1500m")
    drill = run("drill", SMALL, "-o", tmp_path / "disk" / "run", within=disk)
    inside = Path(f"/proc/{drill.process.pid}/root{tmp_path}/disk")
    records = inside / "run" / "control" / "outside.jsonl"

    def is_under_way() -> bool:
        return drill.process.poll() is not None or (records.exists() and records.stat().st_size > 0)

    wait_until(is_under_way, 150.0, "load is offered")
    assert drill.process.poll() is None, drill.result(5)
    left = shutil.disk_usage(inside).free
    with (inside / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, left - 60 * 2**20)
    code, out, err = drill.result(60)
    assert code == 3, out + err
    assert "MiB are free" in out + err
