"""What is wrong with a system file: every problem at its place, and all of them in one error. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Self

from msgspec import Struct

from bascule.kernel.errors import InputError

MAX_PRINTED = 50
MAX_QUOTED = 60
MAX_COMPARED = 200
_STEP = re.compile(r"[.\[]")


class Positions:
    """Where each path of a file stands: `components.database.options.ttl`, `workload.operations[2].path`.

    Args:
        file: The file's name, for people.
        keys: Line and column of the key of each path, from 1; of the item itself in a list.
        values: Line and column of each path's value.
    """

    def __init__(self, file: str, keys: Mapping[str, tuple[int, int]], values: Mapping[str, tuple[int, int]]) -> None:
        self.file = file
        self._keys = dict(keys)
        self._values = dict(values)
        self._renamed: dict[str, str] = {}

    def line_and_column(self, path: str, *, key: bool = False) -> tuple[int, int]:
        """Where the value of `path` stands (or its key); the nearest enclosing path when the file does not have it."""
        for above in (path, *parents(path)):
            if above in self._keys:
                return (self._keys if key else self._values)[above]
            if above in self._renamed:
                return self.line_and_column(self._renamed[above] + path[len(above) :], key=key)
        return (1, 1)

    def at(self, path: str, *, key: bool = False) -> str:
        """The place of `path` as `file:line:column`."""
        line, column = self.line_and_column(path, key=key)
        return f"{self.file}:{line}:{column}"

    def rename(self, written: str, meant: str) -> None:
        """Let the path `meant`, which the file does not have, stand for what it has at `written`."""
        self._renamed[meant] = written


class Finding(Struct, frozen=True):
    """Something that is wrong at a path, before its place in the file is known.

    Attributes:
        because: Other paths that it was concluded from: where one of them or an entry directly below it could not be
            read, the finding is void.
    """

    path: str
    what: str
    hint: str = ""
    because: tuple[str, ...] = ()


class Problem(Struct, frozen=True, order=True):
    """One thing that is wrong, where, and what would be right. Ordered by its place."""

    file: str
    line: int
    column: int
    path: str
    what: str
    hint: str = ""

    @classmethod
    def at(cls, positions: Positions, path: str, what: str, hint: str = "", *, key: bool = False) -> Self:
        """A problem with the value of `path`, or with its key."""
        line, column = positions.line_and_column(path, key=key)
        return cls(file=positions.file, line=line, column=column, path=path, what=what, hint=hint)

    def __str__(self) -> str:
        """One line: `file:line:column: path: what (hint)`."""
        path = f"{self.path}: " if self.path else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {path}{self.what}{advice}"


class SystemFileError(InputError):
    """A system file with everything that is wrong with it.

    Args:
        problems: At least one.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        count = len(self.problems)
        first = self.problems[0]
        super().__init__(
            f"{count} problem{'s' if count > 1 else ''} in {first.file}",
            where=f"{first.file}:{first.line}:{first.column}",
        )

    def __str__(self) -> str:
        """One line for each problem; the first fifty."""
        lines = [str(problem) for problem in self.problems[:MAX_PRINTED]]
        if len(self.problems) > MAX_PRINTED:
            lines.append(f"and {len(self.problems) - MAX_PRINTED} more")
        return "\n".join(lines)


def parents(path: str) -> list[str]:
    """The paths that enclose this one, the nearest first; the whole file, whose path is empty, comes last."""
    found = [path[: mark.start()] for mark in _STEP.finditer(path) if mark.start() > 0]
    return [*reversed(found), *([""] if path else [])]


def quoted(value: object) -> str:
    """The value in quotes, short enough for one line."""
    text = repr(value)
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 3]}..."


def closest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty when none is near."""
    by_lower = {one.lower(): one for one in islice(known, MAX_COMPARED)}
    near = difflib.get_close_matches(word[:MAX_QUOTED].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the word that was probably meant, or else the words there are."""
    words = list(known)
    near = closest(word, words)
    if near:
        return f"did you mean {near!r}?"
    if not words:
        return ""
    shown = ", ".join(words[:10])
    return f"there are {shown}{', ...' if len(words) > 10 else ''}" if len(words) > 1 else f"there is only {shown}"
