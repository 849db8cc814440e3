"""What is looked for in YAML text before and after it is parsed: odd characters, and templates. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bascule.audit.estate import SourceFile, Unreadable
from bascule.audit.place import Place

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_ENDS_OF_1_1 = {0x85: " ", 0x2028: " ", 0x2029: " "}
_ACTION = re.compile(r"(?:\{\{|\{%).*?(?:\}\}|%\}|$)")
_MOST_LINES_SEARCHED = 20_000


def unparsable_character(file: SourceFile) -> Unreadable | None:
    """The first character that YAML does not allow; None when there is none.

    Source: YAML 1.2.2, section 5.1.
    """
    found = _NOT_TEXT.search(file.text)
    if found is None:
        return None
    for number, line in enumerate(file.lines, 1):
        inside = _NOT_TEXT.search(line)
        if inside is not None:
            what = f"the character {inside[0]!a} is not allowed in YAML: save the file as UTF-8 text"
            return Unreadable(Place(file.name, number, inside.start() + 1), what)
    return Unreadable(Place(file.name), f"the character {found[0]!a} is not allowed in YAML")


def without_odd_line_ends(text: str) -> str:
    """The text, as long as before, in which only line ends of YAML 1.2 end a line: the parser knows those of 1.1."""
    text = text.replace("\ufeff", " ") if "\ufeff" in text else text
    odd = any(chr(letter) in text for letter in _LINE_ENDS_OF_1_1)
    return text.translate(_LINE_ENDS_OF_1_1) if odd else text


def first_template(lines: Sequence[str]) -> tuple[int, int, int] | None:
    """Index, start and end of the first template action outside of quotes and comments; None when there is none."""
    for index, line in enumerate(lines[:_MOST_LINES_SEARCHED]):
        found = _ACTION.search(line)
        if found is not None and not any(sign in line[: found.start()] for sign in "\"'#`"):
            return index, found.start(), found.end()
    return None
