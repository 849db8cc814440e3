"""Words of a configuration text that know their place, and the limits that every line of it must keep. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.estate import SourceFile, Unreadable
from bascule.audit.finding import Edit
from bascule.audit.place import Place

MOST_CHARACTERS = 65_536
"""Of one line; no such configuration that people wrote has a longer one."""
MOST_UNREADABLE = 20
"""Lines of one file that cannot be read; after so many it is given up."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word without its quotes, and where it stands with them."""

    text: str
    place: Place


def span(file: str, line: int, start: int, end: int) -> Place:
    """The stretch of one line between two offsets, which count from 0.

    Args:
        file: As the user named it.
        line: From 1.
        start: The first character's offset.
        end: The offset behind the last character.
    """
    return Place(file=file, line=line, column=start + 1, end_line=line, end_column=end + 1)


def insertion(after: Place, text: str) -> Edit:
    """An edit that puts text directly behind a place whose end is known."""
    file, line, column = after.file, after.end_line, after.end_column
    return Edit(place=Place(file=file, line=line, column=column, end_line=line, end_column=column), text=text)


def unusable(file: SourceFile, number: int, line: str) -> Unreadable | None:
    """Why this line is no text that people wrote; None where it may be one.

    Args:
        file: That it is of.
        number: The line's, from 1.
        line: Its text.
    """
    if len(line) > MOST_CHARACTERS:
        what = f"a line of {len(line)} characters; at most {MOST_CHARACTERS} are read"
        return Unreadable(Place(file.name, number), what)
    if "\0" in line:
        return Unreadable(Place(file.name, number, line.index("\0") + 1), "a NUL character: this is no text")
    return None
