"""Which files an audit reads: those that are named, and below directories those that may be configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bascule.audit.estate import Unreadable
from bascule.audit.limits import Limits
from bascule.audit.place import Place
from bascule.kernel.errors import InputError

STANDARD_INPUT = "-"
YAML = frozenset({".yaml", ".yml"})
JSON = frozenset({".json"})
TEXT = frozenset({".cfg", ".conf", ".cnf", ".ini", ".properties"})
SKIPPED = frozenset({"node_modules", "vendor", "third_party", "venv", "__pycache__", "site-packages"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be read; `named` by the user, and not found below a directory."""

    name: str
    named: bool


@dataclass(slots=True)
class Search:
    """Looks for files, never behind links that lead out, and never at more than the limits allow.

    Attributes:
        problems: What could not be looked at, or was too much.
    """

    limits: Limits
    problems: list[Unreadable] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _entries: int = 0

    def candidates(self, paths: Sequence[str]) -> Iterator[Candidate]:
        """The files, each once, those of a directory in the order of their names.

        Raises:
            InputError: A path that is not there.
        """
        for path in paths:
            if path == STANDARD_INPUT:
                yield from self._once(path, named=True)
            elif Path(path).is_dir():
                for name in self._below(path):
                    yield from self._once(name, named=False)
            elif Path(path).exists():
                yield from self._once(path, named=True)
            else:
                raise InputError("there is no such file or directory", where=path)

    def _once(self, name: str, *, named: bool) -> Iterator[Candidate]:
        real = name if name == STANDARD_INPUT else str(Path(name).resolve())
        if real not in self._seen:
            self._seen.add(real)
            yield Candidate(name, named)

    def _below(self, directory: str) -> Iterator[str]:
        pending = [directory]
        while pending:
            here = pending.pop()
            files, directories = self._look(here)
            yield from files
            pending += reversed(directories)
            if self._entries > self.limits.entries:
                what = f"more than {self.limits.entries:,} directory entries: the rest was not looked at"
                self.problems.append(Unreadable(Place(directory), what))
                return

    def _look(self, directory: str) -> tuple[list[str], list[str]]:
        """The files and directories to go on with in one directory."""
        files: list[str] = []
        directories: list[str] = []
        try:
            with os.scandir(directory) as listing:
                for entry in listing:
                    self._entries += 1
                    if self._entries > self.limits.entries:
                        break
                    name = os.path.normpath(entry.path)
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith(".") and entry.name not in SKIPPED:
                            directories.append(name)
                    elif _may_be_configuration(entry.name) and _stays_inside(entry, directory):
                        files.append(name)
        except OSError as error:
            self.problems.append(Unreadable(Place(directory), f"cannot be looked at: {error.strerror}"))
        return sorted(files), sorted(directories)


def _may_be_configuration(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in YAML | JSON | TEXT


def _stays_inside(entry: os.DirEntry[str], directory: str) -> bool:
    """Whether an entry is a file, and a link at most to one in the same directory or below it."""
    if not entry.is_file():
        return False
    return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(Path(directory).resolve())
