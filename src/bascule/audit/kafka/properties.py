"""A `.properties` file of Kafka: keys with their values and places, and which part of Kafka it is for. Pure.

Source: the Java manual, java.util.Properties.load (escapes, continued lines, `=`, `:` or a space behind the key).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bascule.audit.estate import Estate, SourceFile, Unreadable
from bascule.audit.place import Place
from bascule.audit.words import MOST_CHARACTERS, MOST_UNREADABLE, span, unusable

Kind = Literal["server", "producer", "consumer"]
_SPLIT = re.compile(r"((?:[^\\=:\s]|\\.)*)(\s*[=:]\s*|\s+|$)")
_ASSIGNMENT = re.compile(r"[A-Za-z0-9._-]+[ \t]*=")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_BLANK = " \t\f"
_SERVER = frozenset(
    {
        "broker.id", "node.id", "process.roles", "log.dirs", "zookeeper.connect", "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
    }
)  # fmt: skip
_PRODUCER = frozenset(
    {
        "acks", "enable.idempotence", "linger.ms", "key.serializer", "value.serializer", "delivery.timeout.ms",
        "batch.size", "transactional.id", "max.in.flight.requests.per.connection", "compression.type",
    }
)  # fmt: skip
_CONSUMER = frozenset(
    {
        "auto.offset.reset", "enable.auto.commit", "key.deserializer", "value.deserializer", "max.poll.records",
        "session.timeout.ms", "heartbeat.interval.ms", "group.instance.id", "isolation.level",
    }
)  # fmt: skip
_CONNECT = frozenset({"offset.storage.topic", "config.storage.topic", "offset.storage.file.filename"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value and where both stand."""

    key: str
    value: str
    place: Place
    value_place: Place


@dataclass(frozen=True, slots=True)
class Properties:
    """One file; of a key that is there twice the last one counts."""

    file: SourceFile
    kind: Kind
    entries: dict[str, Entry]

    @property
    def subject(self) -> str:
        """For people: `broker 1`, `producer`."""
        number = self.text("broker.id") or self.text("node.id")
        if self.kind != "server" or not number:
            return self.kind
        return f"{'broker' if self.is_broker else 'controller'} {number}"

    @property
    def is_broker(self) -> bool:
        """Whether it keeps data: a server that is not a controller alone."""
        roles = self.text("process.roles")
        return self.kind == "server" and (roles is None or "broker" in roles)

    def text(self, key: str) -> str | None:
        """The value as written; None where it is missing."""
        found = self.entries.get(key)
        return found.value if found else None

    def whole(self, key: str, default: int | None = None) -> int | None:
        """The whole number; the default where it is missing, None where it is none, such as a variable."""
        text = self.text(key)
        if text is None:
            return default
        digits = text.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None

    def listed(self, key: str) -> list[str]:
        """The values between commas, each once."""
        return list(dict.fromkeys(one.strip() for one in (self.text(key) or "").split(",") if one.strip()))

    def at(self, key: str) -> Place:
        """Where this key's value stands; the file's beginning where it is missing."""
        found = self.entries.get(key)
        return found.value_place if found else Place(self.file.name)


def servers(estate: Estate) -> list[Properties]:
    """Every file of a broker or controller."""
    return [one for one in estate.of(Properties) if one.kind == "server"]


def brokers(estate: Estate) -> list[Properties]:
    """Every file of a server that keeps data."""
    return [one for one in estate.of(Properties) if one.is_broker]


def clients(estate: Estate, kind: Kind) -> list[Properties]:
    """Every file of a producer, or of a consumer."""
    return [one for one in estate.of(Properties) if one.kind == kind]


def recognises(file: SourceFile) -> bool:
    """Whether this is one of Kafka's files, told by the keys that it begins with.

    A file that is called otherwise is one only when it was named, and each of its lines assigns something: a manifest
    may have a whole such file in it.
    """
    if not file.name.endswith(".properties") and not (file.named and _assigns(file)):
        return False
    keys = {found[1] for line in file.lines[:5000] if (found := _SPLIT.match(line[:200].lstrip(_BLANK)))}
    return _kind(keys) is not None


def _assigns(file: SourceFile) -> bool:
    continued = False
    for line in file.lines[:5000]:
        is_plain = continued or not line.strip() or line.lstrip(_BLANK)[0] in "#!"
        if not is_plain and not _ASSIGNMENT.match(line[:200]):
            return False
        continued = line.endswith("\\")
    return True


def _kind(keys: set[str]) -> Kind | None:
    if keys & _CONNECT:
        return None
    if keys & _SERVER:
        return "server"
    if "bootstrap.servers" not in keys:
        return None
    if keys & _CONSUMER or "group.id" in keys:
        return "consumer"
    return "producer" if keys & _PRODUCER else None


def read(file: SourceFile) -> tuple[list[object], list[Unreadable]]:
    """The keys and values in a text, and the lines that could not be read; those are left out."""
    wrong: list[Unreadable] = []
    entries: dict[str, Entry] = {}
    number = 0
    while number < len(file.lines) and len(wrong) < MOST_UNREADABLE:
        first = number
        pieces, number = _logical(file, number, wrong)
        if pieces is None or not pieces[0] or pieces[0].startswith(("#", "!")):
            continue
        entry = _entry(file, first, number, pieces)
        entries[entry.key] = entry
    kind = _kind(set(entries))
    return ([Properties(file, kind, entries)] if kind else []), wrong


def _logical(file: SourceFile, number: int, wrong: list[Unreadable]) -> tuple[list[str] | None, int]:
    """The pieces of one logical line that begins here, and the number of the next line; None where it is no text."""
    pieces: list[str] = []
    length = 0
    is_text = True
    while number < len(file.lines):
        line = file.lines[number]
        number += 1
        problem = unusable(file, number, line)
        length += len(line)
        if problem is None and length > MOST_CHARACTERS >= length - len(line):
            problem = Unreadable(Place(file.name, number), f"a continued line of over {MOST_CHARACTERS} characters")
        if problem is not None:
            wrong.append(problem)
        is_text = is_text and problem is None
        piece = line.lstrip(_BLANK)
        continues = (len(piece) - len(piece.rstrip("\\"))) % 2 == 1 and (bool(pieces) or piece[0] not in "#!")
        pieces.append(piece[:-1] if continues else piece)
        if not continues:
            break
    return (pieces if is_text else None), number


def _entry(file: SourceFile, first: int, after: int, pieces: list[str]) -> Entry:
    """The key and the value of one logical line; places are exact where it is one line, and begin right otherwise."""
    line = file.lines[first]
    indent = len(line) - len(line.lstrip(_BLANK))
    whole = "".join(pieces)
    found = _SPLIT.match(whole)
    assert found is not None, "a key may be empty, and so the pattern matches everywhere"  # noqa: S101 - narrows a type
    start, end = indent + found.end(1), indent + found.end()
    key_place = span(file.name, first + 1, indent, start)
    if after == first + 1:
        value_place = span(file.name, first + 1, end, len(line.rstrip("\r")))
    else:
        value_place = span(file.name, first + 1, min(end, len(line)), len(line))
    return Entry(_unescaped(found[1]), _unescaped(whole[found.end() :]), key_place, value_place)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    letter = found[1]
    return chr(int(letter[1:], 16)) if len(letter) == 5 else _LETTERS.get(letter, letter)
