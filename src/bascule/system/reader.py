"""A system file into a `System`, or into one error with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from bascule.kernel.errors import InputError
from bascule.system import document, rules, structure
from bascule.system.model import ExperimentFile, System
from bascule.system.problems import Finding, Positions, Problem, SystemFileError
from bascule.system.scenario import Scenario

Check = Callable[[System], Iterable[Finding]]
T = TypeVar("T")


def load(path: Path) -> System:
    """Read a system file.

    Args:
        path: A YAML file of at most 1 MiB.

    Raises:
        SystemFileError: With every problem of the file, each at its place.
        InputError: The file cannot be read at all.
    """
    return load_located(path)[0]


def load_located(path: Path, *, also: Check | None = None) -> tuple[System, Positions]:
    """Read a system file, and where everything in it stands; errors like those of `load`.

    Args:
        path: A YAML file of at most 1 MiB.
        also: Further checks, so that their findings come in one go with all others. They must take any system, also one
            with neutral values where the file could not be read; what they say about those is left out.
    """
    return parse_located(_text(path), str(path), also=also)


def parse(text: str, name: str) -> System:
    """Read a system from YAML text.

    Args:
        text: The content of a system file.
        name: What messages call it.

    Raises:
        SystemFileError: With every problem of the text, each at its place.
    """
    return parse_located(text, name)[0]


def parse_located(text: str, name: str, *, also: Check | None = None) -> tuple[System, Positions]:
    """Read a system from YAML text, and where everything in it stands; like `parse` and `load_located`."""
    draft = structure.build(document.read(text, name), System)
    every = [*rules.check(draft.value), *(also(draft.value) if also else ())]
    _refuse(draft, every)
    return draft.value, draft.positions


def load_experiments(path: Path, check: Callable[[Mapping[str, Scenario]], Iterable[Finding]]) -> dict[str, Scenario]:
    """Read a file of experiments: like the `experiments` of a system file, alone.

    Args:
        path: A YAML file of at most 1 MiB.
        check: What is wrong with them for the system that they are meant for.

    Raises:
        SystemFileError: With every problem of the file, each at its place.
        InputError: The file cannot be read at all.
    """
    return parse_experiments(_text(path), str(path), check)


def load_as(path: Path, model: type[T], check: Callable[[T], Iterable[Finding]]) -> T:
    """Read another kind of file as strictly as a system file, into a struct of its own.

    Args:
        path: A YAML file of at most 1 MiB.
        model: What it describes.
        check: What is wrong with what was read; it takes neutral values where the file could not be read.

    Raises:
        SystemFileError: With every problem of the file, each at its place.
        InputError: The file cannot be read at all.
    """
    draft = structure.build(document.read(_text(path), str(path)), model)
    _refuse(draft, check(draft.value))
    return draft.value


def parse_experiments(
    text: str, name: str, check: Callable[[Mapping[str, Scenario]], Iterable[Finding]]
) -> dict[str, Scenario]:
    """Read experiments from YAML text; like `load_experiments`."""
    draft = structure.build(document.read(text, name), ExperimentFile)
    _refuse(draft, [*check(draft.value.experiments)])
    return draft.value.experiments


def _refuse(draft: structure.Draft[T], every: Iterable[Finding]) -> None:
    """Raise everything that is wrong, if anything is."""
    findings = [one for one in every if draft.holds(one)]
    problems = [*draft.problems, *(Problem.at(draft.positions, one.path, one.what, one.hint) for one in findings)]
    if problems:
        raise SystemFileError(problems)


def _text(path: Path) -> str:
    """The file's text, never more of it than is allowed."""
    try:
        with path.open("rb") as file:
            content = file.read(document.MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), hint="`bascule init` writes a starter") from None
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise InputError(what, where=str(path), hint="name a YAML file that you may read") from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(content) > document.MAX_BYTES:
            return " " * len(content)  # cut in the middle of a character: only its size is told
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        problem = Problem(str(path), line, column, "", "this is not UTF-8 text", "save the file as UTF-8")
        raise SystemFileError([problem]) from None
