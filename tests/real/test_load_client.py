"""The load client as a process: against a real HAProxy, stopped by a signal, and given what it cannot use."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.engines import binaries
from bascule.measure.final_audit import read_audit
from bascule.measure.ledger import read_status
from bascule.measure.records import read
from bascule.measure.schedule import lag_bound_s

pytestmark = [pytest.mark.real, pytest.mark.alone]

CONFIGURATION = """
global
  nbthread 1
defaults
  mode http
  timeout client 30s
  timeout connect 1s
  timeout server 5s
frontend plain
  bind 127.0.0.1:{port}
  http-request return status 200 content-type application/json string '{{"id":7,"numbers":[1,2,2]}}'
"""


def until(claim: Callable[[], bool], limit_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, "not within its limit"
        time.sleep(0.02)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def haproxy(tmp_path: Path) -> Iterator[int]:
    program = binaries.find("haproxy")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(port=port))
    process = subprocess.Popen(
        [program.path, "-db", "-f", str(file)],
        env={**os.environ, **program.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: answers(port))
        yield port
    finally:
        process.kill()
        process.wait()


def plan(folder: Path, port: int, **changes: Any) -> Path:
    fields = {
        "client": "outside",
        "protocol": "http",
        "targets": [{"address": "127.0.0.1", "port": port, "name": "edge"}],
        "rate_per_s": 200.0,
        "deadline_s": 5.0,
        "records": str(folder / "records.jsonl"),
        "status": str(folder / "status.json"),
        "operations": [{"name": "create", "method": "POST", "path": "/tasks", "writes": True}],
        "audit": "/audit",
        **changes,
    }
    path = folder / "plan.json"
    path.write_text(json.dumps(fields))
    return path


def client(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bascule.measure.client", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, told = process.communicate(timeout=20)
    finally:
        process.kill()
    return process.returncode, told


def test_it_offers_until_sigterm_and_leaves_every_record_on_disk(tmp_path: Path, haproxy: int) -> None:
    status = tmp_path / "status.json"

    def sent() -> int:
        told = read_status(status)
        return told.sent if told else 0

    process = client(plan(tmp_path, haproxy))
    try:
        until(lambda: sent() >= 100)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, "")
    finally:
        process.kill()
    final = read_status(status)
    assert final is not None
    records = list(read(tmp_path / "records.jsonl"))
    assert final.phase == "done"
    assert (final.in_flight, len(records)) == (0, final.sent)
    assert {record.outcome for record in records} == {"good"}
    assert sorted(record.number for record in records) == list(range(1, final.last_number + 1))
    dues = sorted(record.due_s for record in records)
    assert dues[0] == final.started_s
    assert dues[-1] - dues[0] == pytest.approx((len(records) - 1) / 200.0)


def test_a_frozen_server_makes_timeouts_and_the_client_itself_stays_on_schedule(tmp_path: Path) -> None:
    silent = socket.create_server(("127.0.0.1", 0), backlog=512)
    try:
        # Closed loop, these would take 400 s.
        path = plan(tmp_path, silent.getsockname()[1], count=400, deadline_s=1.0)
        assert ended(client(path)) == (0, "")
    finally:
        silent.close()
    records = list(read(tmp_path / "records.jsonl"))
    assert len(records) == 400, "an operation is offered whatever became of the others"
    assert {(record.outcome, record.error) for record in records} == {("unknown", "timed out")}
    dues = [record.due_s for record in records]
    assert max(dues) - min(dues) == pytest.approx(399 / 200.0)
    assert max(record.done_s for record in records) < max(dues) + 10


def test_it_says_when_it_falls_behind(tmp_path: Path, haproxy: int) -> None:
    process = client(plan(tmp_path, haproxy))
    status = tmp_path / "status.json"

    def running() -> bool:
        told = read_status(status)
        return told is not None and told.sent > 20

    try:
        until(running)
        process.send_signal(signal.SIGSTOP)
        stopped_s = time.monotonic()
        until(lambda: time.monotonic() - stopped_s > 1.5)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    finally:
        process.kill()
    final = read_status(status)
    assert final is not None
    assert final.lag_max_s > lag_bound_s(200.0, 5.0)


def test_the_audit_is_a_process_too(tmp_path: Path, haproxy: int) -> None:
    path = plan(tmp_path, haproxy)
    assert ended(client("audit", path, tmp_path / "audit.json")) == (0, "")
    assert read_audit(tmp_path / "audit.json") == {1: 1, 2: 2}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "unknown arguments"),
        (["nowhere.json"], "cannot read the plan"),
        (["audit", "nowhere.json"], "unknown arguments"),
    ],
)
def test_wrong_arguments_get_one_line(arguments: list[str], says: str) -> None:
    code, told = ended(client(*arguments))
    assert code == 2
    assert says in told
    assert len(told.splitlines()) == 1


def test_a_system_that_is_not_there_gets_one_line(tmp_path: Path) -> None:
    path = plan(tmp_path, 1, ready_limit_s=0.3)
    for arguments in ([path], ["audit", path, tmp_path / "audit.json"]):
        code, told = ended(client(*arguments))
        assert code == 2
        assert len(told.splitlines()) == 1
    final = read_status(tmp_path / "status.json")
    assert final is not None
    assert "reached no target" in final.error


def test_nothing_is_left_behind(tmp_path: Path, haproxy: int) -> None:
    assert ended(client(plan(tmp_path, haproxy, count=10)))[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"plan.json", "records.jsonl", "status.json", "haproxy.cfg"}
