"""`bascule report trace` and `annotations`: a saved drill where operators look, beside what their systems tell."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from bascule.cli.output import emit, print_json
from bascule.cli.report_file import read_report
from bascule.drill.render_annotations import grafana, openmetrics
from bascule.drill.render_trace import trace as render_trace
from bascule.kernel.errors import MachineError
from bascule.lab.files import write_atomically
from bascule.telemetry.otlp_http import send_traces

Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]
Json = Annotated[bool, Parameter(name="--json", help="Say what was done as one JSON document.")]


def trace(run: Path, /, *, output: Output = None, otlp: str | None = None, as_json: Json = False) -> int:
    """Tell a saved drill as one OpenTelemetry trace: to a file, to a collector, or both.

    The drill is a span; below it is each trial, and below that its phases and faults. The same report is always
    the same trace, with the same ids.

    Examples:
        bascule report trace bascule-runs/shop-20260314-101500 -o trace.json
        bascule report trace report.json --otlp http://127.0.0.1:4318

    Args:
        run: The drill's directory, or its report.json.
        output: The file, in the JSON encoding of OTLP. Without it and without a collector: standard output.
        otlp: Send it to the OTLP/HTTP receiver of this collector; `/v1/traces` is added unless it is there.
        as_json: Say what was done as one JSON document.
    """
    document = render_trace(read_report(run))
    if output is None and otlp is None:
        print_json(document)
        return 0
    encoded = msgspec.json.encode(document)
    spans = len(document["resourceSpans"][0]["scopeSpans"][0]["spans"])
    places: list[str] = []
    if output is not None:
        _write(output, msgspec.json.format(encoded, indent=2) + b"\n")
        places.append(str(output))
    if otlp is not None:
        places.append(send_traces(otlp, encoded))
    told = {"trace_id": document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"], "spans": spans}
    text = "\n".join(f"{place}: trace {told['trace_id']}, {spans} spans" for place in places)
    emit({**told, "places": places}, as_json=as_json, text=text)
    return 0


def annotate(
    run: Path,
    /,
    *,
    kind: Annotated[Literal["grafana", "openmetrics"], Parameter(name="--format")],
    output: Output = None,
    as_json: Json = False,
) -> int:
    """Tell a saved drill's trials and faults as annotations of Grafana, or as OpenMetrics text.

    Examples:
        bascule report annotations bascule-runs/shop-20260314-101500 --format grafana -o annotations.json
        bascule report annotations report.json --format openmetrics -o drill.om

    Args:
        run: The drill's directory, or its report.json.
        kind: `grafana`: a list of bodies of POST /api/annotations. `openmetrics`: samples with their times.
        output: The file. Default: standard output.
        as_json: Say what was written as one JSON document.
    """
    report = read_report(run)
    if kind == "grafana":
        text = msgspec.json.format(msgspec.json.encode(grafana(report)), indent=2).decode() + "\n"
    else:
        text = openmetrics(report)
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return 0
    _write(output, text.encode())
    emit({"output": str(output), "format": kind}, as_json=as_json, text=f"{output}: {kind}")
    return 0


def _write(output: Path, text: bytes) -> None:
    try:
        write_atomically(output, text)
    except OSError as error:
        raise MachineError(f"it cannot be written: {error.strerror}", where=str(output)) from error
