"""The examples at the end of every `--help`, taken from the docstrings of the commands."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from cyclopts import App

FIRST_STEPS = (
    "bascule init                              write a system file to start from",
    "bascule system check bascule.yaml         say what is wrong with it",
    "bascule drill bascule.yaml                run it, break it, and judge it",
    "bascule COMMAND --help                    more about a command",
)


def examples(app: App, words: Sequence[str]) -> str:
    """The section to print below the help of the command that `words` name; of a group, the first of each command."""
    chain, apps, _ = app.parse_commands(list(words))
    meant = apps[-1]
    if not chain:
        lines: Sequence[str] = FIRST_STEPS
    elif meant.default_command is not None:
        lines = in_docstring(meant.default_command.__doc__)
    else:
        documented = (meant[name].default_command for name in meant if not name.startswith("-"))
        lines = [line for one in documented if one for line in in_docstring(one.__doc__)[:1]]
    return "".join(("Examples:\n", *(f"  {line}\n" for line in lines))) if lines else ""


def in_docstring(text: str | None) -> list[str]:
    """The lines of a docstring's section `Examples:`."""
    _, _, section = inspect.cleandoc(text or "").partition("Examples:\n")
    lines: list[str] = []
    for line in section.splitlines():
        if line.strip() and not line.startswith(" "):
            break
        lines.append(line.strip())
    return [line for line in lines if line]
