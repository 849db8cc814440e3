"""Requests and their answers on one connection, and what the HTTP faults make of the answers. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from bascule.chaos.proxy.flow import Tally
from bascule.chaos.proxy.http_faults import CorruptBody, CutBody, HttpFault, SlowAnswer, SlowBody, Status
from bascule.chaos.proxy.http_framing import (
    Body,
    Framer,
    Head,
    NotHttpError,
    Segment,
    answer_body,
    request_body,
)
from bascule.kernel.dice import Dice

MOST_OUTSTANDING = 1024
"""Requests that wait for an answer on one connection; one with more is passed on as it is."""


class Edit(NamedTuple):
    """Bytes that go on to the client.

    Attributes:
        hold_s: By how much later.
        pace_bytes_per_s: How fast; 0: at any speed.
        is_last: Whether the connection ends after them.
    """

    data: bytes
    hold_s: float = 0.0
    pace_bytes_per_s: float = 0.0
    is_last: bool = False


class ActingFault:
    """An HTTP fault on one connection."""

    __slots__ = ("_counted", "_tally", "fault")

    def __init__(self, fault: HttpFault, tally: Tally) -> None:
        self.fault = fault
        self._tally = tally
        self._counted = False

    def begin(self) -> None:
        """It hits one more answer."""
        self._tally.acts += 1
        if not self._counted:
            self._counted = True
            self._tally.connections += 1

    def count(self, size_bytes: int) -> None:
        """It hit so many bytes of it."""
        self._tally.bytes += size_bytes


class Exchanges:
    """One connection's requests and answers. Bytes that no fault hits go on unchanged.

    Attributes:
        acting: The faults that are on. One that is taken away leaves an answer that it has begun to replace replaced:
            the rest would make no sense to the client.
        is_opaque: Whether the connection is no HTTP, or no longer: its bytes go on as they are.
    """

    def __init__(self, dice: Dice) -> None:
        self.acting: tuple[ActingFault, ...] = ()
        self.is_opaque = False
        self._dice = dice
        self._asked: deque[Head] = deque()
        self._requests = Framer(request_body)
        self._answers = Framer(self._body_of_answer)
        self._chosen: list[ActingFault] = []
        self._replaced: ActingFault | None = None
        self._is_interim = False
        self._body_bytes = 0

    def _body_of_answer(self, head: Head) -> Body:
        return answer_body(head, self._asked[0].method if self._asked else "")

    def request(self, data: bytes) -> bytes:
        """What goes on to the server of the bytes that came from the client: all, but a head only when it is whole."""
        if self.is_opaque:
            return self._requests.rest() + data
        passed: list[bytes] = []
        try:
            for segment in self._requests.feed(data):
                passed.append(segment.data)
                if segment.head is not None:
                    self._asked.append(segment.head)
        except NotHttpError:
            self.is_opaque = True
            passed.append(self._requests.rest())
        self.is_opaque |= len(self._asked) > MOST_OUTSTANDING
        return b"".join(passed)

    def answer(self, data: bytes) -> list[Edit]:
        """What goes on to the client of the bytes that came from the server."""
        if self.is_opaque:
            return [Edit(self._answers.rest() + data)]
        edits: list[Edit] = []
        try:
            for segment in self._answers.feed(data):
                edits += self._edit(segment)
                if edits and edits[-1].is_last:
                    break
        except NotHttpError:
            self.is_opaque = True
            edits.append(Edit(self._answers.rest()))
        return _joined(edits)

    def request_rest(self) -> bytes:
        """What is left of an unfinished head when the client has ended its stream."""
        return self._requests.rest()

    def answer_rest(self) -> bytes:
        """What is left of an unfinished answer when the server has ended its stream."""
        rest = self._answers.rest()
        return b"" if self._replaced else rest

    def _edit(self, segment: Segment) -> list[Edit]:
        if segment.head is not None:
            return self._edit_head(segment.head, segment.data)
        if segment.kind == "end":
            return self._finish()
        if self._replaced:
            self._replaced.count(len(segment.data))
            return []
        if segment.kind == "body":
            return self._edit_body(segment.data)
        return [Edit(segment.data)]

    def _finish(self) -> list[Edit]:
        if not self._is_interim:
            self._chosen, self._replaced = [], None
            if self._asked:
                self._asked.popleft()
        return []

    def _edit_head(self, head: Head, data: bytes) -> list[Edit]:
        self._is_interim = head.status < 200
        self._chosen, self._replaced, self._body_bytes = [], None, 0
        body = self._body_of_answer(head)
        if body.mode == "tunnel":
            self.is_opaque = True
            return [Edit(data)]
        if self._is_interim or not self._asked:
            return [Edit(data)]
        asked = self._asked[0]
        self._chosen = [one for one in self.acting if one.fault.hits(asked.method, asked.target, self._dice)]
        for one in self._chosen:
            one.begin()
        hold_s = self._hold_s(len(data))
        for one in self._chosen:
            if isinstance(one.fault, Status):
                self._replaced = one
                one.count(len(data))
                closes = body.mode == "until close" or head.closes()
                return [Edit(one.fault.answer(is_head=asked.method == "HEAD", closes=closes), hold_s)]
        cut = self._cut()
        ends = cut is not None and cut.after_bytes == 0 and body.mode != "none"
        return [Edit(data, hold_s, is_last=ends)]

    def _hold_s(self, size_bytes: int) -> float:
        slow = [(one, one.fault.delay_s) for one in self._chosen if isinstance(one.fault, SlowAnswer)]
        for one, _ in slow:
            one.count(size_bytes)
        return sum(delay_s for _, delay_s in slow)

    def _cut(self) -> CutBody | None:
        return next((one.fault for one in self._chosen if isinstance(one.fault, CutBody)), None)

    def _edit_body(self, data: bytes) -> list[Edit]:
        pace_bytes_per_s = 0.0
        is_last = False
        offset_bytes = self._body_bytes
        self._body_bytes += len(data)
        for one in self._chosen:
            if one not in self.acting:
                continue  # taken away meanwhile: the rest of the body is whole again
            fault = one.fault
            if isinstance(fault, CorruptBody):
                data, wrong = fault.corrupt(data, offset_bytes)
                one.count(wrong)
            elif isinstance(fault, SlowBody):
                one.count(len(data))
                pace_bytes_per_s = min(fault.rate_bytes_per_s, pace_bytes_per_s or fault.rate_bytes_per_s)
            elif isinstance(fault, CutBody) and self._body_bytes >= fault.after_bytes:
                left = max(0, fault.after_bytes - offset_bytes)
                one.count(len(data) - left)
                data, is_last = data[:left], True
        return [Edit(data, 0.0, pace_bytes_per_s, is_last)]


def _joined(edits: list[Edit]) -> list[Edit]:
    """Neighbours that go on alike, as one: an answer that came in one piece goes on in one piece."""
    joined: list[Edit] = []
    for edit in edits:
        before = joined[-1] if joined else None
        if before and not edit.hold_s and before.pace_bytes_per_s == edit.pace_bytes_per_s:
            joined[-1] = before._replace(data=before.data + edit.data, is_last=edit.is_last)
        else:
            joined.append(edit)
    return joined
