"""What HTTP faults make of answers, and that they leave all other bytes alone."""

from __future__ import annotations

import pytest

from bascule.chaos.proxy.exchanges import MOST_OUTSTANDING, ActingFault, Edit, Exchanges
from bascule.chaos.proxy.flow import Tally
from bascule.chaos.proxy.http_faults import BODY, CorruptBody, CutBody, HttpFault, SlowAnswer, SlowBody, Status
from bascule.kernel.dice import LoadedDice

GET = b"GET /things?x=1 HTTP/1.1\r\nHost: a\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nCoNtEnT-LeNgTh:  5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
REPLACED = b"HTTP/1.1 503 Injected Fault\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\n" + BODY


def exchanges_under(*faults: HttpFault, shares: tuple[float, ...] = ()) -> tuple[Exchanges, list[Tally]]:
    exchanges = Exchanges(LoadedDice(shares))
    tallies = [Tally() for _ in faults]
    exchanges.acting = tuple(ActingFault(fault, tally) for fault, tally in zip(faults, tallies, strict=True))
    return exchanges, tallies


def told(edits: list[Edit]) -> bytes:
    return b"".join(edit.data for edit in edits)


def at_once(exchanges: Exchanges, data: bytes) -> bytes:
    return told(exchanges.answer(data))


def byte_by_byte(exchanges: Exchanges, data: bytes) -> bytes:
    return b"".join(told(exchanges.answer(data[at : at + 1])) for at in range(len(data)))


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED, b"HTTP/1.0 200 OK\r\n\r\nuntil the end"])
def test_what_no_fault_hits_passes_to_the_byte(answer: bytes) -> None:
    for hand_on in (at_once, byte_by_byte):
        exchanges, _ = exchanges_under(Status(status=503, path="/other"))
        assert exchanges.request(GET) == GET
        assert hand_on(exchanges, answer) == answer
        assert not exchanges.is_opaque


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED])
def test_a_status_replaces_one_answer_and_the_next_is_whole(answer: bytes) -> None:
    for hand_on in (at_once, byte_by_byte):
        exchanges, (tally,) = exchanges_under(Status(status=503, share=0.5), shares=(0.4, 0.6))
        exchanges.request(GET + GET)
        assert hand_on(exchanges, answer) == REPLACED
        assert hand_on(exchanges, answer) == answer
        assert (tally.connections, tally.acts, tally.bytes) == (1, 1, len(answer))


def test_an_answer_is_matched_with_its_own_request() -> None:
    exchanges, _ = exchanges_under(Status(status=503, method="POST", path="/b"))
    exchanges.request(GET)
    exchanges.request(b"POST /b/c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nGET ")
    exchanges.request(b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\n\r\n")
    assert told(exchanges.answer(PLAIN * 3)) == PLAIN + REPLACED + PLAIN


def test_an_answer_to_head_has_no_body_whatever_it_announces() -> None:
    exchanges, (tally,) = exchanges_under(Status(status=503, method="GET"))
    exchanges.request((b"HEAD / HTTP/1.1\r\n\r\n" + GET) * 2)
    head = PLAIN.removesuffix(b"hello")
    assert told(exchanges.answer((head + PLAIN) * 2)) == (head + REPLACED) * 2, "in one read as well"
    assert (tally.acts, tally.bytes) == (2, 2 * len(PLAIN))


def test_a_replaced_answer_to_head_has_no_body_either() -> None:
    exchanges, _ = exchanges_under(Status(status=503))
    exchanges.request(b"HEAD / HTTP/1.1\r\n\r\n")
    assert told(exchanges.answer(PLAIN.removesuffix(b"hello"))) == REPLACED.removesuffix(BODY)


def test_an_interim_answer_is_not_the_answer() -> None:
    exchanges, (tally,) = exchanges_under(Status(status=503))
    exchanges.request(GET)
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    assert told(exchanges.answer(interim + PLAIN)) == interim + REPLACED
    assert tally.acts == 1


def test_where_the_server_closes_the_replaced_answer_says_so() -> None:
    exchanges, _ = exchanges_under(Status(status=503))
    exchanges.request(GET)
    answer = told(exchanges.answer(b"HTTP/1.1 200 OK\r\n\r\nuntil the"))
    assert b"\r\nConnection: close\r\n" in answer
    assert told(exchanges.answer(b" end")) == b""
    assert exchanges.answer_rest() == b""


def test_a_replaced_answer_stays_replaced_when_the_fault_goes() -> None:
    exchanges, _ = exchanges_under(Status(status=503))
    exchanges.request(GET + GET)
    assert told(exchanges.answer(PLAIN[:-2])) == REPLACED
    exchanges.acting = ()
    assert told(exchanges.answer(PLAIN[-2:] + PLAIN)) == PLAIN


@pytest.mark.parametrize(("answer", "wrong"), [(PLAIN, b"ienlo"), (CHUNKED, b"")])
def test_a_corrupted_body_keeps_its_length_and_its_frame(answer: bytes, wrong: bytes) -> None:
    exchanges, (tally,) = exchanges_under(CorruptBody(every_bytes=2))
    exchanges.request(GET)
    corrupted = byte_by_byte(exchanges, answer)
    assert len(corrupted) == len(answer)
    places = [at for at, (is_, was) in enumerate(zip(corrupted, answer, strict=True)) if is_ != was]
    if not wrong:
        assert [answer[at : at + 1] for at in places] == [b"a", b"c", b"e"]
    else:
        assert [answer[at : at + 1] for at in places] == [b"h", b"l", b"o"]
    assert tally.bytes == 3


def test_a_fault_that_goes_leaves_the_rest_of_a_body_whole() -> None:
    exchanges, _ = exchanges_under(CorruptBody(every_bytes=1))
    exchanges.request(GET)
    exchanges.answer(PLAIN[:-5])
    assert told(exchanges.answer(b"he")) == b"id"
    exchanges.acting = ()
    assert told(exchanges.answer(b"llo")) == b"llo"


def test_a_slow_body_has_a_fast_head() -> None:
    exchanges, _ = exchanges_under(SlowBody(rate_bytes_per_s=10))
    exchanges.request(GET)
    edits = exchanges.answer(PLAIN)
    assert [(edit.data, edit.pace_bytes_per_s) for edit in edits] == [(PLAIN[:-5], 0), (b"hello", 10)]


def test_a_slow_answer_is_held_from_its_first_byte() -> None:
    exchanges, _ = exchanges_under(SlowAnswer(delay_s=2))
    exchanges.request(GET)
    assert exchanges.answer(PLAIN) == [Edit(PLAIN, 2)]


@pytest.mark.parametrize("after_bytes", [0, 2, 5])
def test_a_cut_body_is_the_last_that_is_heard(after_bytes: int) -> None:
    exchanges, (tally,) = exchanges_under(CutBody(after_bytes=after_bytes))
    exchanges.request(GET + GET)
    edits = exchanges.answer(PLAIN + PLAIN)
    assert told(edits) == PLAIN[: len(PLAIN) - 5 + after_bytes]
    assert edits[-1].is_last
    assert tally.acts == 1


@pytest.mark.parametrize(
    "asked",
    [
        b"*1\r\n$4\r\nPING\r\n",
        b"PING\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"x" * 10_000,
    ],
)
def test_what_is_no_http_passes_untouched_and_at_once(asked: bytes) -> None:
    exchanges, (tally,) = exchanges_under(Status(status=503))
    assert exchanges.request(asked) == asked
    assert exchanges.is_opaque
    assert exchanges.request(b"more") == b"more"
    assert told(exchanges.answer(PLAIN)) == PLAIN
    assert tally.acts == 0


def test_an_upgraded_connection_is_no_longer_http() -> None:
    exchanges, _ = exchanges_under(Status(status=503))
    exchanges.request(GET)
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"
    assert told(exchanges.answer(switched)) == switched
    assert exchanges.is_opaque


def test_more_requests_than_are_remembered_pass_untouched() -> None:
    exchanges, (tally,) = exchanges_under(Status(status=503))
    flood = GET * (MOST_OUTSTANDING + 1)
    assert exchanges.request(flood) == flood
    assert told(exchanges.answer(PLAIN)) == PLAIN
    assert tally.acts == 0


def test_an_unfinished_head_is_handed_on_when_the_stream_ends() -> None:
    exchanges, _ = exchanges_under()
    assert exchanges.request(b"GET / HT") == b""
    assert exchanges.request_rest() == b"GET / HT"
