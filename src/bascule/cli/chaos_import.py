"""`bascule chaos import`: an experiment of Chaos Toolkit as one of ours."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bascule.cli.chaos_toolkit import yaml_of
from bascule.cli.output import emit
from bascule.cli.system_file import load_checked
from bascule.drill.chaos_toolkit import importing, reading, timeline
from bascule.drill.scenarios import rules
from bascule.kernel.errors import InputError, MachineError
from bascule.system import parse_experiments
from bascule.system.model import System


def import_experiment(
    file: Path,
    /,
    *,
    system: Annotated[Path | None, Parameter(name=["--system", "-s"])] = None,
    name: str = "",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Read an experiment of Chaos Toolkit, and write what of it can be carried over as a file of experiments.

    Nothing of it is run. What cannot be carried over is said, with its place and the reason. Exit codes: 0 all of it
    was carried over; 1 something was not; 2 nothing was, or the file cannot be used.

    Examples:
        bascule chaos import experiment.json --system my.yaml --output chaos.yaml
        bascule drill my.yaml --experiments chaos.yaml --experiment freeze-the-north
        bascule chaos import experiment.yaml --json

    Args:
        file: The experiment, by its ending JSON or YAML.
        system: The system file that it is meant for: its members and limits are checked then.
        name: What the experiment is called. Default: from its title.
        output: The file of experiments that is written. Default: standard output.
        as_json: Print one JSON document instead of text.
    """
    found = importing.imported(reading.read(_text(file), str(file), is_json=_is_json(file)))
    called = name or timeline.name_of(found.outline.title)
    document = timeline.experiments(found, called)
    text = yaml_of(document) if document else ""
    if text:
        _check(text, output, None if system is None else load_checked(system))
    if output is not None and text:
        _write(output, text)
    drills = timeline.commands(found, str(system or "SYSTEM"))
    told = {"name": called, "document": document, "drills": drills, "carried": found.carried, "left": found.left}
    lines = [f"# carried over: {each}" for each in found.carried]
    lines += [f"# NOT carried over: {each.where}: {each.what}: {each.why}" for each in found.left]
    lines += [f"# a drill of its own: {shlex.join(words)}" for words in drills]
    lines += [text.rstrip("\n")] if output is None and text else []
    lines += [f"{output}: {called}"] if output is not None and text else []
    emit(told, as_json=as_json, text="\n".join(_printable(each) for each in lines))
    return 1 if found.left else 0


def _check(text: str, output: Path | None, system: System | None) -> None:
    """See that a drill could read what was written, and for a known system that it could run it.

    Raises:
        SystemFileError: It could not; with every problem.
    """
    where = str(output or "the imported experiment")
    parse_experiments(text, where, lambda found: () if system is None else rules.check(system, found))


def _is_json(file: Path) -> bool:
    if file.suffix not in {".json", ".yaml", ".yml"}:
        raise InputError(f"{file.suffix or 'no ending'!r}", where=str(file), hint="end it with .json, .yaml, .yml")
    return file.suffix == ".json"


def _text(file: Path) -> bytes:
    if not file.is_file():
        raise InputError("there is no such file", where=str(file))
    try:
        with file.open("rb") as opened:
            return opened.read(reading.MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", where=str(file)) from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MachineError(f"it cannot be written: {error.strerror}", where=str(path)) from error


def _printable(line: str) -> str:
    """A line of somebody else's words without what would move a terminal's cursor."""
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in line)
