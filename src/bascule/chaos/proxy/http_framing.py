"""Where HTTP/1.1 messages begin and end in a stream of bytes (RFC 9112), without changing one of them. Pure.

A fault must leave alone what it does not hit, to the byte: a parser that hands out decoded messages would have them
written anew, with other chunks, other spelling of headers. And whether an answer has a body depends on the request
(HEAD, CONNECT), which a parser of answers alone cannot know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from msgspec import Struct

HEAD_LIMIT_BYTES = 64 * 1024
LINE_LIMIT_BYTES = 8 * 1024
_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])\r\n")
_STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r\n")
_FIELDS = re.compile(rb"(?:[^\s:]+:[^\r\n]*\r\n)*\r\n")
_TELLING = re.compile(rb"(?im)^(connection|content-length|transfer-encoding):[ \t]*(.*?)[ \t]*\r$")
_NO_CR = re.compile(rb"(?<!\r)\n")

Kind = Literal["head", "body", "frame", "end"]
Mode = Literal["none", "length", "chunked", "until close", "tunnel"]


class NotHttpError(Exception):
    """The bytes are no HTTP/1.1; they can only be passed on as they are."""


class Head(Struct, frozen=True, kw_only=True):
    """The start line and the headers of a message.

    Attributes:
        method: Of a request.
        target: Of a request: the path and what follows it.
        status: Of an answer.
        is_old: Whether it is HTTP/1.0.
        headers: Those that tell where the message ends, by names in lower case; equal names' values joined by commas.
    """

    method: str = ""
    target: str = ""
    status: int = 0
    is_old: bool = False
    headers: dict[str, str]

    def closes(self) -> bool:
        """Whether the connection ends after the message, by what its head says."""
        words = {word.strip().lower() for word in self.headers.get("connection", "").split(",")}
        return "close" in words or (self.is_old and "keep-alive" not in words)


class Segment(NamedTuple):
    """Part of a message as it came: its head, bytes of its body, what frames the body, or its end (no bytes)."""

    kind: Kind
    data: bytes
    head: Head | None = None


class Body(NamedTuple):
    """How a message's body ends."""

    mode: Mode
    length_bytes: int = 0


def request_body(head: Head) -> Body:
    """How the body of a request ends."""
    return _declared(head, otherwise="none")


def answer_body(head: Head, method: str) -> Body:
    """How the body of the answer to a request with that method ends (RFC 9112, section 6.3)."""
    if head.status == 101 or (method == "CONNECT" and 200 <= head.status < 300):
        return Body("tunnel")
    if method == "HEAD" or head.status < 200 or head.status in {204, 304}:
        return Body("none")
    return _declared(head, otherwise="until close")


def _declared(head: Head, otherwise: Mode) -> Body:
    coding = head.headers.get("transfer-encoding", "")
    if coding:
        if coding.split(",")[-1].strip().lower() == "chunked":
            return Body("chunked")
        if otherwise == "none":
            raise NotHttpError
        return Body(otherwise)
    lengths = {word.strip() for word in head.headers.get("content-length", "").split(",")} - {""}
    if not lengths:
        return Body(otherwise)
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()) or len(length) > 18:
        raise NotHttpError
    return Body("length", int(length)) if int(length) else Body("none")


def read_head(data: bytes) -> Head:
    """The head that these bytes are; they end in an empty line.

    Raises:
        NotHttpError: They are none.
    """
    text = data.lstrip(b"\r\n")
    answer = _STATUS.match(text)
    request = None if answer else _REQUEST.match(text)
    start = answer or request
    if start is None or not _FIELDS.fullmatch(text, start.end()):
        raise NotHttpError
    headers: dict[str, str] = {}
    for name, value in _TELLING.findall(text, start.end()):
        key, said = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{said}" if key in headers else said
    if request:
        method, target = request[1].decode("latin-1"), request[2].decode("latin-1")
        return Head(method=method, target=target, is_old=request[3] == b"0", headers=headers)
    return Head(status=int(start[2]), is_old=start[1] == b"0", headers=headers)


class Framer:
    """Cuts one direction's bytes into segments. All bytes come out, in order and unchanged; a head comes out whole.

    Args:
        body_of: How the body of the message with this head ends.
    """

    def __init__(self, body_of: Callable[[Head], Body]) -> None:
        self._body_of = body_of
        self._mode: Mode | Literal["head", "size", "after chunk", "trailers"] = "head"
        self._left_bytes = 0
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Segment]:
        """The segments that these bytes complete, one by one: how the next body ends is asked when the last has ended.

        Raises:
            NotHttpError: This is no HTTP; `rest` has what was not handed out.
        """
        self._held += data
        goes_on = True
        while goes_on and self._held:
            found: list[Segment] = []
            goes_on = self._step(found)
            yield from found

    def rest(self) -> bytes:
        """What is held back because it is not whole yet; it is let go."""
        held, self._held = self._held, b""
        return held

    def _step(self, found: list[Segment]) -> bool:
        match self._mode:
            case "head":
                return self._head(found)
            case "length" | "chunked":
                return self._counted(found)
            case "until close" | "tunnel":
                found.append(Segment("body" if self._mode == "until close" else "frame", self.rest()))
                return False
            case _:
                return self._line(found)

    def _head(self, found: list[Segment]) -> bool:
        end = self._held.find(b"\r\n\r\n", len(self._held) - len(self._held.lstrip(b"\r\n")))
        if end < 0:
            self._check_unfinished()
            return False
        raw, self._held = self._held[: end + 4], self._held[end + 4 :]
        try:
            head = read_head(raw)
            body = self._body_of(head)
        except NotHttpError:
            self._held = raw + self._held
            raise
        found.append(Segment("head", raw, head))
        self._mode, self._left_bytes = body.mode, body.length_bytes
        if body.mode == "chunked":
            self._mode = "size"
        elif body.mode == "none":
            self._end(found)
        return True

    def _check_unfinished(self) -> None:
        """Bytes that cannot become a head are not waited upon: another protocol would hang."""
        text = self._held.lstrip(b"\r\n")
        if len(self._held) > HEAD_LIMIT_BYTES or _NO_CR.search(self._held):
            raise NotHttpError
        whole = b"\r\n" in text
        if whole and not (_STATUS.match(text) or _REQUEST.match(text)):
            raise NotHttpError
        if not whole and (len(text) > LINE_LIMIT_BYTES or re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", text)):
            raise NotHttpError

    def _counted(self, found: list[Segment]) -> bool:
        part, self._held = self._held[: self._left_bytes], self._held[self._left_bytes :]
        self._left_bytes -= len(part)
        found.append(Segment("body", part))
        if self._left_bytes == 0:
            if self._mode == "length":
                self._end(found)
            else:
                self._mode = "after chunk"
        return True

    def _line(self, found: list[Segment]) -> bool:
        """A line that frames chunks: a size, the end of a chunk, a trailer."""
        end = self._held.find(b"\r\n")
        if end < 0:
            if len(self._held) > LINE_LIMIT_BYTES:
                raise NotHttpError
            return False
        line = self._held[: end + 2]
        size = _CHUNK.fullmatch(line) if self._mode == "size" else None
        if (self._mode == "size" and size is None) or (self._mode == "after chunk" and end):
            raise NotHttpError
        self._held = self._held[end + 2 :]
        found.append(Segment("frame", line))
        if size is not None:
            self._left_bytes = int(size[1], 16)
            self._mode = "chunked" if self._left_bytes else "trailers"
        elif self._mode == "after chunk":
            self._mode = "size"
        elif not end:
            self._end(found)
        return True

    def _end(self, found: list[Segment]) -> None:
        found.append(Segment("end", b""))
        self._mode = "head"
