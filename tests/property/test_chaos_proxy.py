"""However bytes are cut, the proxy's framing passes them unchanged and finds the messages that h11 finds."""

from __future__ import annotations

import h11
from hypothesis import given
from hypothesis import strategies as st

from bascule.chaos.proxy.exchanges import Exchanges
from bascule.chaos.proxy.flow import Acting, Flow, Tally
from bascule.chaos.proxy.http_framing import Framer, NotHttpError, answer_body, request_body
from bascule.chaos.proxy.toxics import AnyToxic, Bandwidth, Latency, Slicer
from bascule.kernel.dice import SeededDice

BODIES = st.binary(max_size=60)


def with_length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def in_chunks(parts: list[bytes]) -> bytes:
    chunks = b"".join(b"%X\r\n%b\r\n" % (len(part), part) for part in parts if part)
    return b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


FRAMED = st.one_of(BODIES.map(with_length), st.lists(BODIES, max_size=4).map(in_chunks))
ANSWERS = st.lists(FRAMED.map(lambda framed: b"HTTP/1.1 200 OK\r\nA: b\r\n" + framed), min_size=1, max_size=4)
REQUESTS = st.lists(FRAMED.map(lambda framed: b"POST /a HTTP/1.1\r\nHost: b\r\n" + framed), min_size=1, max_size=4)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts: list[bytes] = []
    while data:
        size = sizes[len(parts) % len(sizes)]
        parts.append(data[:size])
        data = data[size:]
    return parts


def bodies_by_h11(requests: list[bytes]) -> list[bytes]:
    bodies = []
    for request in requests:
        line = h11.Connection(h11.SERVER)
        line.receive_data(request)
        body = b""
        while not isinstance(event := line.next_event(), h11.EndOfMessage):
            body += bytes(event.data) if isinstance(event, h11.Data) else b""
        bodies.append(body)
    return bodies


@given(REQUESTS, st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_the_framing_finds_what_h11_finds_and_changes_nothing(requests: list[bytes], sizes: list[int]) -> None:
    framer = Framer(request_body)
    segments = [segment for part in cut(b"".join(requests), sizes) for segment in framer.feed(part)]
    assert b"".join(segment.data for segment in segments) == b"".join(requests)
    bodies = [b""]
    for segment in segments:
        if segment.kind == "body":
            bodies[-1] += segment.data
        elif segment.kind == "end":
            bodies.append(b"")
    assert bodies[:-1] == bodies_by_h11(requests)
    assert framer.rest() == b""


@given(ANSWERS, st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_answers_without_a_fault_pass_to_the_byte(answers: list[bytes], sizes: list[int]) -> None:
    exchanges = Exchanges(SeededDice(0))
    exchanges.request(b"GET / HTTP/1.1\r\n\r\n" * len(answers))
    passed = [edit.data for part in cut(b"".join(answers), sizes) for edit in exchanges.answer(part)]
    assert b"".join(passed) == b"".join(answers)
    assert not exchanges.is_opaque


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
def test_any_bytes_come_out_as_they_went_in(parts: list[bytes]) -> None:
    framer = Framer(lambda head: answer_body(head, "GET"))
    out = b""
    for at, part in enumerate(parts):
        try:
            for segment in framer.feed(part):
                out += segment.data
        except NotHttpError:
            out += framer.rest() + b"".join(parts[at + 1 :])
            break
    assert out + framer.rest() == b"".join(parts)


TOXICS: st.SearchStrategy[AnyToxic] = st.one_of(
    st.builds(Latency, latency_s=st.floats(0, 5), jitter_s=st.floats(0, 5)),
    st.builds(Bandwidth, rate_bytes_per_s=st.integers(1, 1000)),
    st.builds(Slicer, average_bytes=st.integers(1, 20), variation_bytes=st.integers(0, 20), delay_s=st.floats(0, 1)),
)


@given(
    st.lists(st.tuples(st.floats(0, 10), st.binary(min_size=1, max_size=60)), max_size=6),
    st.lists(TOXICS, max_size=4),
    st.lists(TOXICS, max_size=4),
    st.integers(0, 6),
)
def test_toxics_keep_every_byte_in_order_and_send_none_before_its_time(
    coming: list[tuple[float, bytes]], first: list[AnyToxic], then: list[AnyToxic], change_at: int
) -> None:
    flow = Flow(SeededDice(1))
    now_s = 0.0
    flow.replace(tuple(Acting(toxic, Tally(), now_s) for toxic in first), now_s)
    for number, (pause_s, data) in enumerate(coming):
        now_s += pause_s
        if number == change_at:
            flow.replace(tuple(Acting(toxic, Tally(), now_s) for toxic in then), now_s)
        flow.push(data, now_s)
    dues_s = [piece.due_s for piece in flow.waiting]
    assert dues_s == sorted(dues_s)
    assert all(piece.due_s >= piece.arrived_s for piece in flow.waiting)
    assert b"".join(piece.data for piece in flow.waiting) == b"".join(data for _, data in coming)
    assert flow.waiting_bytes == sum(len(data) for _, data in coming)
