"""Where something stands in a text file. Pure."""

from __future__ import annotations

from msgspec import Struct


class Place(Struct, frozen=True, order=True, gc=False):
    """A stretch of a file, for people and editors: lines and columns count from 1, and columns count characters.

    Attributes:
        file: As the user named it, or found below a directory that the user named; `-` is standard input.
        line: 1 where the whole file is meant.
        end_line, end_column: Just behind the last character; 0 where only the start is known.
    """

    file: str
    line: int = 1
    column: int = 1
    end_line: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"
