"""The faults of HTTP answers, as data: which answers each hits, and what becomes of them. Pure."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from bascule.chaos.proxy.toxics import Bytes, Chance, Name, Seconds, SomeBytes
from bascule.kernel.dice import Dice

Prefix = Annotated[str, Meta(max_length=1024)]
Method = Annotated[str, Meta(max_length=32, pattern=r"^[A-Z]*$")]
BODY = b"injected fault\n"
REASON = "Injected Fault"


class HttpFault(Struct, frozen=True, kw_only=True, tag_field="fault", forbid_unknown_fields=True):
    """Something that is wrong with some answers. The request has reached the server all the same.

    Attributes:
        share: The share of matching answers that it hits; decided for each answer.
        path: What the request's path begins with.
        method: The request's method; empty: any.
        name: What it is counted under; its type unless said otherwise.
    """

    share: Chance = 1.0
    path: Prefix = ""
    method: Method = ""
    name: Name = ""

    @property
    def label(self) -> str:
        """What it is counted under."""
        return self.name or str(self.__struct_config__.tag)

    def hits(self, method: str, target: str, dice: Dice) -> bool:
        """Whether the answer to such a request is hit. The dice are asked only about an answer that matches."""
        if (self.method and method != self.method) or not target.startswith(self.path):
            return False
        return self.share >= 1.0 or dice.uniform(0.0, 1.0) < self.share


class Status(HttpFault, frozen=True, kw_only=True, tag="status"):
    """The answer is replaced by one of this status; what the server did stays done."""

    status: Annotated[int, Meta(ge=200, le=599)]

    def answer(self, *, is_head: bool, closes: bool) -> bytes:
        """The whole answer in place of the server's."""
        has_body = self.status not in {204, 304}
        lines = [f"HTTP/1.1 {self.status} {REASON}"]
        if has_body:
            lines += ["Content-Type: text/plain", f"Content-Length: {len(BODY)}"]
        if closes:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("ascii")
        return head + BODY if has_body and not is_head else head


class CorruptBody(HttpFault, frozen=True, kw_only=True, tag="corrupt_body"):
    """One bit of every `every_bytes`-th byte of the body is flipped, from its first on; its length stays true."""

    every_bytes: SomeBytes = 1024

    def corrupt(self, data: bytes, offset_bytes: int) -> tuple[bytes, int]:
        """Part of a body, beginning that far into it, as it goes on; and how many of its bytes are wrong."""
        changed = bytearray(data)
        places = range(-offset_bytes % self.every_bytes, len(data), self.every_bytes)
        for place in places:
            changed[place] ^= 1
        return bytes(changed), len(places)


class SlowBody(HttpFault, frozen=True, kw_only=True, tag="slow_body"):
    """The head comes at once, the body at no more than `rate_bytes_per_s`."""

    rate_bytes_per_s: SomeBytes


class SlowAnswer(HttpFault, frozen=True, kw_only=True, tag="slow_answer"):
    """The answer begins `delay_s` late."""

    delay_s: Seconds


class CutBody(HttpFault, frozen=True, kw_only=True, tag="cut_body"):
    """The connection is closed after `after_bytes` of the body, whatever length was announced."""

    after_bytes: Bytes = 0


AnyHttpFault = Status | CorruptBody | SlowBody | SlowAnswer | CutBody
