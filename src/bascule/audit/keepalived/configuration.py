"""A keepalived configuration as statements and blocks of words, every word with its place. Pure.

Includes are not followed. A statement that holds on some hosts alone (`@host priority 90`) is known to be there, but
its value is not.

Source: keepalived.conf(5) of 2.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bascule.audit.estate import SourceFile, Unreadable
from bascule.audit.place import Place
from bascule.audit.words import MOST_UNREADABLE, Word, span, unusable

MOST_DEPTH = 16
_PIECE = re.compile(r"""(?P<space>\s+)|(?P<end>[#!])|"(?P<quoted>[^"]*)"|(?P<plain>[^\s"#!]+)""")
_TELLING = (
    "vrrp_instance", "vrrp_script", "vrrp_sync_group", "vrrp_track_process", "virtual_server", "global_defs",
    "static_ipaddress",
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Statement:
    """One statement, and what stands in its braces if it has some."""

    words: tuple[Word, ...]
    conditional: bool = False
    below: list[Statement] = field(default_factory=list)
    by_name: dict[str, list[Statement]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its first word."""
        return self.words[0].text if self.words else ""

    @property
    def place(self) -> Place:
        """From its first word to its last before the braces."""
        first, last = self.words[0].place, self.words[-1].place
        return Place(first.file, first.line, first.column, last.end_line, last.end_column)

    def word(self, number: int) -> str:
        """The word at this position, from 0; empty where there is none."""
        return self.words[number].text if number < len(self.words) else ""

    def all(self, name: str) -> list[Statement]:
        """Everything of this name in its braces."""
        return self.by_name.get(name, [])

    def one(self, name: str) -> Statement | None:
        """The statement of this name that counts: the last one."""
        found = self.by_name.get(name)
        return found[-1] if found else None

    def varies(self, name: str) -> bool:
        """Whether the value of this name is another one on some hosts."""
        return any(each.conditional for each in self.all(name))

    def value(self, name: str) -> str | None:
        """The argument of the statement of this name; None where it is missing or varies, empty where it has none."""
        found = self.one(name)
        return found.word(1) if found is not None and not self.varies(name) else None

    def inside(self, name: str) -> list[Statement]:
        """Everything in the braces of all statements of this name."""
        return [each for block in self.all(name) for each in block.below]


@dataclass(frozen=True, slots=True)
class Configuration:
    """One file; its statements stand below `root`."""

    file: SourceFile
    root: Statement


def recognises(file: SourceFile) -> bool:
    """Whether this is a keepalived configuration, told by the name of a block that only such a one has."""
    usual = file.name.endswith((".conf", ".cfg")) or "keepalived" in file.name.rpartition("/")[2]
    if not usual and not file.named:
        return False
    for line in file.lines[:5000]:
        words = line[:200].replace("{", " { ").split(None, 2)
        if words and words[0] in _TELLING:
            return True
    return False


def read(file: SourceFile) -> tuple[list[object], list[Unreadable]]:
    """The configuration in a text, and what could not be read of it; that is left out."""
    root = Statement(())
    wrong: list[Unreadable] = []
    stack, pending = [root], list[Word]()
    for number, text in enumerate(file.lines, 1):
        if len(wrong) >= MOST_UNREADABLE:
            break
        words = _words(file, number, text)
        if isinstance(words, Unreadable):
            wrong.append(words)
            continue
        if words and words[0].text != "{":
            _end(stack[-1], pending)
        for word in words:
            if word.text == "{":
                stack.append(_end(stack[-1], pending) or Statement((word,)))
            elif word.text == "}":
                _end(stack[-1], pending)
                if len(stack) == 1:
                    wrong.append(Unreadable(word.place, "a closing brace without an opening one"))
                else:
                    stack.pop()
            else:
                pending.append(word)
            if len(stack) > MOST_DEPTH:
                wrong.append(Unreadable(word.place, f"blocks within blocks, deeper than {MOST_DEPTH}"))
                return [Configuration(file, root)], wrong
    _end(stack[-1], pending)
    wrong += [Unreadable(block.place, f"the block of {block.name!r} does not end") for block in stack[1:]]
    return [Configuration(file, root)], wrong


def _end(block: Statement, pending: list[Word]) -> Statement | None:
    """Put the words that came so far into the block as one statement; None where there were none."""
    conditional = bool(pending) and pending[0].text.startswith("@") and len(pending[0].text) > 1
    words = tuple(pending[1:] if conditional else pending)
    pending.clear()
    if not words:
        return None
    made = Statement(words, conditional)
    block.below.append(made)
    block.by_name.setdefault(made.name, []).append(made)
    return made


def _words(file: SourceFile, number: int, text: str) -> list[Word] | Unreadable:
    """The words of one line; an opening brace at its end is a word of its own."""
    if wrong := unusable(file, number, text):
        return wrong
    words: list[Word] = []
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            return Unreadable(span(file.name, number, at, at + 1), "a quote that does not end on its line")
        if piece.lastgroup == "end":
            break
        if piece.lastgroup != "space":
            words.append(Word(piece[piece.lastgroup or 0], span(file.name, number, at, piece.end())))
        at = piece.end()
    if words and len(words[-1].text) > 1 and words[-1].text.endswith("{"):
        last = words.pop()
        column = last.place.end_column - 1
        words.append(Word(last.text[:-1], span(file.name, number, last.place.column - 1, column - 1)))
        words.append(Word("{", span(file.name, number, column - 1, column)))
    return words
