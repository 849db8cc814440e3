"""An HAProxy configuration as sections of lines of words, every word with its place. Pure.

Source: HAProxy 2.8 configuration manual, 2.2 (quoting and escaping), 2.4 (conditional blocks), 4.1 (`defaults from`),
5.2 (`default-server`: it holds for the servers below it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from bascule.audit.estate import SourceFile, Unreadable
from bascule.audit.haproxy.options import Options, parsed
from bascule.audit.place import Place
from bascule.audit.words import MOST_UNREADABLE, Word, span, unusable

SECTIONS = frozenset(
    {
        "global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "userlist", "mailers", "cache",
        "program", "http-errors", "ring", "log-forward", "log-profile", "fcgi-app", "crt-store", "traces", "acme",
        "healthcheck",
    }
)  # fmt: skip
_PROXIES = (["defaults"], ["frontend"], ["backend"], ["listen"])
MOST_WORDS = 64
"""Of one line, as HAProxy has it."""
MOST_DEFAULTS = 16
"""How far `defaults ... from ...` is followed."""
_PIECE = re.compile(
    r"""(?P<space>\s+)|(?P<plain>[^\s"'\\#]+)|"(?P<weak>(?:[^"\\]|\\.)*)"|'(?P<strong>[^']*)'|\\(?P<escaped>.?)|(?P<end>#)"""
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Line:
    """One directive: its words, without the `no` in front of what is `negated`."""

    words: tuple[Word, ...]
    negated: bool = False

    @property
    def place(self) -> Place:
        """From its first word to its last."""
        first, last = self.words[0].place, self.words[-1].place
        return Place(first.file, first.line, first.column, last.end_line, last.end_column)

    def word(self, number: int) -> str:
        """The word at this position, from 0; empty where there is none."""
        return self.words[number].text if number < len(self.words) else ""

    def begins(self, *words: str) -> bool:
        """Whether these are its first words."""
        return all(self.word(number) == word for number, word in enumerate(words))


@dataclass(frozen=True, slots=True)
class Server:
    """One `server` or `server-template` line with what it has from `default-server`.

    Attributes:
        count: How many servers the line makes; 1 but for a template.
        options: Every keyword that counts, the line's own before those of `default-server`.
        own: The names of those that stand on the line itself.
    """

    name: str
    address: Word
    line: Line
    options: Options
    own: frozenset[str]
    count: int = 1

    def value(self, keyword: str) -> str | None:
        """The keyword's argument; None where it is not there."""
        found = self.options.get(keyword)
        return found[0] if found else None

    def has(self, flag: str) -> bool:
        """Whether the flag is there and not switched off."""
        return self.options.get(flag, ("no",))[0] != "no"


@dataclass(slots=True)
class Section:
    """One section; `origin` is the `defaults` section that it takes its settings from."""

    kind: str
    name: str
    place: Place
    origin: Section | None = None
    lines: list[Line] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)
    default_server: Options = field(default_factory=dict)
    by_name: dict[str, list[Line]] = field(default_factory=dict)
    by_pair: dict[tuple[str, str], Line] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """For people: `backend app`."""
        return f"{self.kind} {self.name}".strip()

    def own(self, *words: str) -> list[Line]:
        """Its own lines that begin with these words and are not negated, in the file's order."""
        return [line for line in self.by_name.get(words[0], ()) if line.begins(*words) and not line.negated]

    def sources(self) -> Iterator[Section]:
        """The section itself, then the `defaults` sections above it, the nearest first."""
        one: Section | None = self
        for _ in range(MOST_DEFAULTS):
            if one is None:
                return
            yield one
            one = one.origin

    def find(self, *words: str) -> Line | None:
        """The line that counts of those that begin with this word, or these two: its own last, else its defaults'."""
        for one in self.sources():
            if len(words) == 1:
                same = one.by_name.get(words[0])
                line = same[-1] if same else None
            else:
                line = one.by_pair.get((words[0], words[1]))
            if line is not None:
                return None if line.negated else line
        return None

    def option(self, name: str) -> Line | None:
        """The line that switches this option on, if it is on."""
        return self.find("option", name)

    @property
    def mode(self) -> str:
        """`http`, or `tcp` where nothing is said."""
        line = self.find("mode")
        return line.word(1) if line else "tcp"


@dataclass(frozen=True, slots=True)
class Configuration:
    """One file."""

    file: SourceFile
    sections: tuple[Section, ...]

    def of(self, *kinds: str) -> list[Section]:
        """Its sections of these kinds, in the file's order."""
        return [one for one in self.sections if one.kind in kinds]

    @property
    def is_whole(self) -> bool:
        """Whether it has a `global` or `defaults` section: otherwise it is a piece, and others may complete it."""
        return any(one.kind in {"global", "defaults"} for one in self.sections)


def recognises(file: SourceFile) -> bool:
    """Whether this is an HAProxy configuration, told by its first section's name.

    A file that is called otherwise is one only when it was named, and has a section that no proxy is without.
    """
    usual = file.name.endswith((".cfg", ".conf", ".haproxy")) or "haproxy" in file.name.rpartition("/")[2]
    if not usual and not (file.named and _has_proxies(file)):
        return False
    for line in file.lines[:2000]:
        words = line[:200].split("#", 1)[0].split()
        if words and not words[0].startswith("."):
            return words[0] in SECTIONS and "{" not in words
    return False


def _has_proxies(file: SourceFile) -> bool:
    return any(line[:200].split(None, 1)[:1] in _PROXIES for line in file.lines[:5000])


def read(file: SourceFile) -> tuple[list[object], list[Unreadable]]:
    """The configuration in a text, and the lines that could not be read; those are left out."""
    wrong: list[Unreadable] = []
    builder = _Builder()
    for number, text in enumerate(file.lines, 1):
        words = _words(file, number, text)
        if isinstance(words, Unreadable):
            wrong.append(words)
            if len(wrong) == MOST_UNREADABLE:
                break
        elif words and not words[0].text.startswith("."):
            builder.take(words)
    return [Configuration(file, tuple(builder.sections))], wrong


def _words(file: SourceFile, number: int, text: str) -> list[Word] | Unreadable:
    """The words of one line."""
    if wrong := unusable(file, number, text):
        return wrong
    words: list[Word] = []
    pieces: list[str] = []
    start = at = 0
    while at <= len(text):
        piece = _PIECE.match(text, at) if at < len(text) else None
        ends = at == len(text) or (piece is not None and piece.lastgroup in {"space", "end"})
        if ends and pieces:
            words.append(Word("".join(pieces), span(file.name, number, start, at)))
            pieces = []
        if at == len(text) or (piece is not None and piece.lastgroup == "end"):
            break
        if piece is None:
            return Unreadable(span(file.name, number, at, at + 1), "a quote or an escape that does not end on its line")
        if piece.lastgroup != "space":
            start = start if pieces else at
            pieces.append(_plain(piece))
        at = piece.end()
    if len(words) > MOST_WORDS:
        return Unreadable(words[0].place, f"a line of {len(words)} words; HAProxy takes at most {MOST_WORDS}")
    return words


def _plain(piece: re.Match[str]) -> str:
    kind = piece.lastgroup or ""
    if kind == "escaped":
        return _LETTERS.get(piece["escaped"], piece["escaped"] or "\\")
    return _ESCAPE.sub(_unescaped, piece[kind]) if kind == "weak" else piece[kind]


def _unescaped(found: re.Match[str]) -> str:
    letter = found[1]
    return chr(int(letter[1:], 16)) if len(letter) == 3 else _LETTERS.get(letter, letter)


class _Builder:
    """Puts lines into sections."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self._latest: Section | None = None
        self._named: dict[str, Section] = {}

    def take(self, words: list[Word]) -> None:
        if words[0].text in SECTIONS:
            self._begin(words)
        elif self.sections:
            negated = words[0].text == "no" and len(words) > 1
            section, line = self.sections[-1], Line(tuple(words[1:] if negated else words), negated)
            section.lines.append(line)
            section.by_name.setdefault(line.word(0), []).append(line)
            section.by_pair[line.word(0), line.word(1)] = line
            _take_server(section, line)

    def _begin(self, words: list[Word]) -> None:
        kind, texts = words[0].text, [word.text for word in words]
        name = texts[1] if len(texts) > 1 and texts[1] != "from" else ""
        origin = self._named.get(texts[texts.index("from", 1) + 1]) if "from" in texts[1:-1] else None
        if origin is None and kind in {"frontend", "backend", "listen"}:
            origin = self._latest
        section = Section(kind, name, Line(tuple(words)).place, origin)
        for one in section.sources():
            section.default_server = {**one.default_server, **section.default_server}
        self.sections.append(section)
        if kind == "defaults":
            self._latest = section
            self._named[name] = section


def _take_server(section: Section, line: Line) -> None:
    keyword = line.word(0)
    if keyword == "default-server":
        section.default_server = {**section.default_server, **parsed(line.words[1:])}
    first = {"server": 3, "server-template": 4}.get(keyword)
    if first is None or len(line.words) < first or section.kind not in {"backend", "listen"}:
        return
    own = parsed(line.words[first:])
    options = {**section.default_server, **own}
    count = _count(line.word(2)) if keyword == "server-template" else 1
    section.servers.append(Server(line.word(1), line.words[first - 1], line, options, frozenset(own), count))


def _count(text: str) -> int:
    """`5` or `3-7`: how many servers a template makes."""
    low, _, high = text.partition("-")
    if not (low.isascii() and low.isdigit() and len(low) < 7 and len(high) < 7):
        return 1
    return max(1, int(high) - int(low) + 1) if high.isascii() and high.isdigit() else max(1, int(low))
