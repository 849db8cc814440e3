"""Finds the stories that ship."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.system import load


class Story(Struct, frozen=True, kw_only=True):
    """One published failure.

    Attributes:
        name: As on the command line; its system has one experiment of the same name.
        path: Its system file.
        title: For people.
        about: What happened, in a sentence or two.
        source: Where it was published.
        expected: The verdict that its experiment shall have.
    """

    name: str
    path: str
    title: str
    about: str
    source: str
    expected: str


@cache
def stories() -> dict[str, Story]:
    """Every story by name."""
    shelf = Path(str(resources.files("bascule.drill.stories")))
    return {path.stem: _read(path) for path in sorted(shelf.glob("*.yaml"))}


def story(name: str) -> Story:
    """The story of this name.

    Raises:
        InputError: There is none.
    """
    known = stories()
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
        raise InputError(f"no story is called {name!r}", hint=hint)
    return known[name]


def _read(path: Path) -> Story:
    told = load(path).experiments[path.stem]
    return Story(
        name=path.stem,
        path=str(path),
        title=told.title,
        about=told.about,
        source=told.source,
        expected=told.expect.outcome,
    )
