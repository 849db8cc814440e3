"""HTTP requests from the templates of the mix, and what an answer to one means. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from bascule.system.model import Operation

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_OWN = frozenset({"number", "client"})
_HEADER_UNSAFE = re.compile(r"[\x00-\x20\x7f]")

Reply = Literal["acknowledged", "refused", "undecided", "unauthorised"]


class Template:
    """Text with `{name}` places; every other brace is itself, so JSON needs no escaping."""

    def __init__(self, text: str) -> None:
        pieces = _PLACE.split(text)
        self._literals = pieces[::2]
        self._names = pieces[1::2]
        self.needs = frozenset(self._names) - _OWN

    def in_path(self, values: Mapping[str, object]) -> str:
        """The text with each value percent-encoded.

        Raises:
            KeyError: A value is missing.
        """
        return self._fill([quote(str(values[name]), safe="") for name in self._names])

    def in_body(self, values: Mapping[str, object]) -> str:
        """The text with each value escaped as inside a JSON string; numbers stay as they are.

        Raises:
            KeyError: A value is missing.
        """
        return self._fill([json.dumps(str(values[name]))[1:-1] for name in self._names])

    def _fill(self, values: list[str]) -> str:
        out = [self._literals[0]]
        for value, literal in zip(values, self._literals[1:], strict=True):
            out.append(value)
            out.append(literal)
        return "".join(out)


class Request:
    """One kind of operation, ready to be written out as HTTP/1.1."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._path = Template(operation.path)
        self._body = Template(operation.body)
        self.needs = self._path.needs | self._body.needs

    def text(self, host: str, values: Mapping[str, object], token: str = "") -> bytes:
        """The whole request.

        Args:
            host: For the Host header.
            values: `number`, `client` and everything captured.
            token: For `Authorization: Bearer`; empty for none.

        Raises:
            KeyError: A value that the operation needs is missing.
        """
        operation = self.operation
        body = self._body.in_body(values).encode()
        path = _HEADER_UNSAFE.sub(lambda found: quote(found.group()), self._path.in_path(values))
        lines = [f"{operation.method} {path} HTTP/1.1", f"Host: {host}"]
        if token:
            lines.append(f"Authorization: Bearer {token}")
        if operation.idempotent and operation.method != "GET":
            lines.append(f"Idempotency-Key: {values['client']}-{values['number']}")
        if body or operation.method in {"POST", "PUT", "PATCH"}:
            lines.append(f"Content-Type: application/json\r\nContent-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def meaning(status: int, *, writes: bool, not_applied: bool, signed_in: bool) -> Reply:
    """What an answer says about the operation.

    A 5xx to a write leaves it undecided: a proxy gives one when it lost the server that may have carried the write out.
    Only a server that says so (`X-Not-Applied: true`) is believed that nothing happened.
    """
    if 200 <= status < 300:
        return "acknowledged"
    if status == 401 and signed_in:
        return "unauthorised"
    return "undecided" if status >= 500 and writes and not not_applied else "refused"


def field_of(body: bytes, name: str) -> object | None:
    """A field of a JSON object, if it is text or a whole number; else None."""
    try:
        found = msgspec.json.decode(body, type=dict[str, object]).get(name)
    except msgspec.DecodeError:
        return None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def is_token(text: object) -> bool:
    """Whether this can stand in an Authorization header."""
    return isinstance(text, str) and bool(text) and not _HEADER_UNSAFE.search(text)


class _Owned(Struct):
    number: int
    client: str = ""


class _Audit(Struct):
    numbers: list[int | _Owned]


def copies_of(body: bytes, client: str, base: int) -> dict[int, int]:
    """How many copies of each of a client's numbers an audit's answer holds.

    Args:
        body: `{"numbers": [1, 2, 2]}`, or `{"numbers": [{"client": "outside", "number": 1}, ...]}`.
        client: Numbers that name another client are left out.
        base: Smaller numbers belong to earlier runs and are left out.

    Raises:
        msgspec.DecodeError: The body is no such answer.
    """
    copies: Counter[int] = Counter()
    for entry in msgspec.json.decode(body, type=_Audit).numbers:
        if isinstance(entry, int):
            copies[entry] += 1
        elif entry.client in {"", client}:
            copies[entry.number] += 1
    return {number: count for number, count in copies.items() if number >= base}
