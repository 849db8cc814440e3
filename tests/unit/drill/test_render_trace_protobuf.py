"""The trace is read whole by OpenTelemetry's own protocol buffers: nothing is unknown to them, and nothing is lost."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from bascule.drill.render_trace import trace
from bascule.drill.report import Report


def parsed(report: Report, change: tuple[str, object] | None = None) -> TracesData:
    document = json.loads(msgspec.json.encode(trace(report)))
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span.update([change] if change else [])
        for key in ("traceId", "spanId", "parentSpanId"):  # OTLP writes ids in hexadecimal, unlike other bytes
            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    parsed: TracesData = json_format.ParseDict(document, TracesData(), ignore_unknown_fields=False)
    return parsed


def test_it_is_read_whole(sample_report: Report) -> None:
    written = trace(sample_report)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    read = parsed(sample_report).resource_spans[0].scope_spans[0].spans
    for one, other in zip(written, read, strict=True):
        assert (one["traceId"], one["spanId"]) == (other.trace_id.hex(), other.span_id.hex())
        assert (one["startTimeUnixNano"], one["endTimeUnixNano"]) == (
            str(other.start_time_unix_nano),
            str(other.end_time_unix_nano),
        )
        assert (one["name"], one["kind"], one["status"].get("code", 0)) == (other.name, other.kind, other.status.code)
        assert len(one["attributes"]) == len(other.attributes)
        assert [event["name"] for event in one["events"]] == [event.name for event in other.events]


@pytest.mark.parametrize("change", [("start_time", "1"), ("startTimeUnixNano", "1.5"), ("kind", "internal")])
def test_what_is_not_of_the_mapping_is_refused_by_them(sample_report: Report, change: tuple[str, object]) -> None:
    with pytest.raises(json_format.ParseError):
        parsed(sample_report, change)
