"""Text of others made safe for terminals and documents: what cannot be seen is written as an escape. Pure."""

from __future__ import annotations

import re
import unicodedata

MOST = 2_000
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|#~!]")
_ENTITIES = {"&": "&amp;", "@": "&#64;"}


def visible(text: str, *, most: int = MOST) -> str:
    r"""The text in which control characters, direction overrides and line ends stand as `\x1b` or `\u202e`.

    Args:
        text: Anything.
        most: How many characters of it are kept.
    """
    kept = text if len(text) <= most else f"{text[:most]}..."
    if kept.isascii() and kept.isprintable():
        return kept
    return "".join(_escaped(one) if unicodedata.category(one) in _HIDDEN else one for one in kept)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def markdown(text: str) -> str:
    """The text as Markdown shows it literally: no emphasis, link, HTML, mention or address in it has an effect."""
    safe = "".join(_ENTITIES.get(one, one) for one in visible(text))
    return _MARKDOWN.sub(lambda found: f"\\{found[0]}", safe).replace("://", "&#58;//").replace("www.", "www&#46;")


def address(source: str) -> str:
    """The address in a rule's source, with https; empty where it names a manual by words."""
    found = re.search(r"(?:https://)?((?:[a-z0-9-]+\.)+[a-z]{2,}/[^\s,;)]*)", source)
    return f"https://{found[1]}" if found else ""


def counted(count: int, singular: str, plural: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
