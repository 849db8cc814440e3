"""`bascule report trace` and `annotations`: from a saved run to a file, a collector or standard output."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bascule.cli.main import main
from bascule.drill.render_annotations import grafana
from bascule.drill.render_json import to_json
from bascule.drill.render_trace import trace
from bascule.drill.report import Machine, Report, Trial
from bascule.measure.verdict import Measure, Outcome, Verdict

Capture = pytest.CaptureFixture[str]


def build_report(*outcomes: Outcome, started_wall_s: float = 1_795_000_000.0) -> Report:
    rto = Measure(name="rto", title="RTO", value=float("inf"), unit="s")
    return Report(
        system="shop",
        outcome=outcomes[-1],
        machine=Machine(kernel="Linux", processors=2, memory_mib=1, python="3.11", platform="namespaces"),
        objectives=(),
        trials=tuple(
            Trial(
                experiment="primary-kill",
                title="Kill",
                scope="process",
                target="db-1",
                duration_s=60.0,
                verdict=Verdict(outcome=each, reasons=("why",), measures=(rto,)),
            )
            for each in outcomes
        ),
        started_wall_s=started_wall_s,
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_bytes(to_json(build_report("PASS", "FAIL", "INVALID", "ABORTED")))
    return tmp_path / "run"


def test_the_trace_of_a_saved_run_is_written_and_the_same_each_time(run: Path, tmp_path: Path, capsys: Capture) -> None:
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        assert main(["report", "trace", str(run), "-o", str(file)]) == 0
    told = capsys.readouterr().out
    assert files[0].read_bytes() == files[1].read_bytes()
    document = json.loads(files[0].read_bytes())
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert f"trace {spans[0]['traceId']}, {len(spans)} spans" in told
    assert main(["report", "trace", str(run / "report.json")]) == 0
    assert json.loads(capsys.readouterr().out) == document


def test_the_trace_is_sent_to_a_collector(run: Path, capsys: Capture) -> None:
    received: list[tuple[str, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the standard library
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        assert main(["report", "trace", str(run), "--otlp", f"http://127.0.0.1:{server.server_port}", "--json"]) == 0
    finally:
        thread.join()
        server.server_close()
    ((path, body),) = received
    assert path == "/v1/traces"
    assert json.loads(body) == json.loads(
        msgspec.json.encode(trace(build_report("PASS", "FAIL", "INVALID", "ABORTED")))
    )
    assert json.loads(capsys.readouterr().out)["places"] == [f"http://127.0.0.1:{server.server_port}/v1/traces"]


def test_a_collector_that_is_not_there_is_one_line_and_2(run: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert main(["report", "trace", str(run), "--otlp", f"http://127.0.0.1:{port}"]) == 2
    assert f"http://127.0.0.1:{port}/v1/traces: the collector was not reached" in capsys.readouterr().err


def test_annotations_of_both_kinds(run: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "drill.om"
    assert main(["report", "annotations", str(run), "--format", "openmetrics", "-o", str(file)]) == 0
    assert f"{file}: openmetrics" in capsys.readouterr().out
    families = text_string_to_metric_families(file.read_text())  # type: ignore[no-untyped-call]  # it ships no types
    names = [family.name for family in families]
    assert names == ["bascule_fault_active", "bascule_trial_verdict", "bascule_trial_rto_seconds"]
    assert main(["report", "annotations", str(run), "--format", "grafana"]) == 0
    expected = grafana(build_report("PASS", "FAIL", "INVALID", "ABORTED"))
    assert json.loads(capsys.readouterr().out) == expected


@pytest.mark.parametrize(
    "command", [["trace"], ["annotations", "--format", "grafana"], ["annotations", "--format", "openmetrics"]]
)
def test_a_report_without_a_time_and_what_is_no_report_are_one_line(
    tmp_path: Path, capsys: Capture, command: list[str]
) -> None:
    (tmp_path / "old.json").write_bytes(to_json(build_report("PASS", started_wall_s=0.0)))
    assert main(["report", *command, str(tmp_path / "old.json")]) == 2
    assert "does not say when the drill was" in capsys.readouterr().err
    (tmp_path / "bad.json").write_bytes(b'{"trials": 3}')
    assert main(["report", *command, str(tmp_path / "bad.json")]) == 2
    assert "bad.json: not a report" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_line(run: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["report", "trace", str(run), "-o", str(tmp_path / "no" / "where.json")]) == 2
    assert "it cannot be written" in capsys.readouterr().err
