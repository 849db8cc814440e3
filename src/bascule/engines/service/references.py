"""`${component.key}` in a command or an environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_TOKEN = re.compile(r"\$\$|\$\{([^{}]*)\}|\$")


def names(texts: Iterable[str]) -> tuple[str, ...]:
    """Every name referred to, each once, in order of appearance; a stray `$` shows as `$`."""
    found = [
        "$" if match[1] is None else match[1] for text in texts for match in _TOKEN.finditer(text) if match[0] != "$$"
    ]
    return tuple(dict.fromkeys(found))


def expand(text: str, value: Callable[[str], str]) -> str:
    """The text with each reference replaced by its value, and `$$` by a dollar."""
    return _TOKEN.sub(lambda match: "$" if match[1] is None else value(match[1]), text)
