"""Other people's YAML as trees in which everything knows its place: many documents, anchors and merge keys. Pure.

Everything is bounded: the depth, the number of values counted with every alias written out, and the number of errors
after which a file is given up. What breaks a bound is told as `Unreadable`; nothing here recurses.
"""

from __future__ import annotations

import re
from itertools import islice

from bascule.audit.estate import SourceFile, Unreadable, YamlDocument
from bascule.audit.place import Place
from bascule.audit.tree import Scalar
from bascule.audit.yaml_composer import Broken, Composer
from bascule.audit.yaml_text import first_template, unparsable_character, without_odd_line_ends

MAX_ERRORS = 20
RENDER_FIRST = "this is a template that was not rendered: render it first: helm template ... | bascule audit -"
_NEXT_DOCUMENT = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|\n|\r")


def read(file: SourceFile) -> tuple[list[YamlDocument], list[Unreadable]]:
    """Every document of a YAML text that can be read, and what could not be.

    After an error, reading goes on with the next document, so that one mistake hides no other.
    """
    return read_counted(file)[:2]


def read_counted(file: SourceFile) -> tuple[list[YamlDocument], list[Unreadable], int]:
    """The same, and how many keys and values were read."""
    unreadable = unparsable_character(file)
    if unreadable is not None:
        return [], [unreadable], 0
    documents: list[YamlDocument] = []
    problems: list[Unreadable] = []
    text = without_odd_line_ends(file.text)
    line = number = values = 0
    while True:
        composer = Composer(file.name, first_line=line + 1, values=values)
        try:
            for root in composer.documents(text):
                number += 1
                shared = composer.take_shared()
                if not (isinstance(root, Scalar) and root.value is None):
                    documents.append(YamlDocument(file, number, root, shared))
        except Broken as error:
            number += 1
            values = composer.values
            problems.append(_told(file, error))
            rest = _rest(text, error.line - line)
            if rest is None or error.final or len(problems) == MAX_ERRORS:
                return documents, problems, values
            line += rest[0]
            text = rest[1]
        else:
            return documents, problems, composer.values


def _told(file: SourceFile, error: Broken) -> Unreadable:
    """The error; where the document has template actions, these are the cause."""
    first = last = min(max(error.line, 1), len(file.lines) or 1)
    while first > 1 and not _NEXT_DOCUMENT.match(file.lines[first - 1]):
        first -= 1
    while last < len(file.lines) and not _NEXT_DOCUMENT.match(file.lines[last]):
        last += 1
    template = None if error.final else first_template(file.lines[first - 1 : last])
    if template is not None:
        line, start, end = template
        place = Place(file.name, first + line, start + 1, first + line, end + 1)
        return Unreadable(place, RENDER_FIRST, template=True)
    return Unreadable(Place(file.name, error.line, error.column), error.what)


def _rest(text: str, line: int) -> tuple[int, str] | None:
    """The text from the first `---` behind the line of an error, and how many lines stand before it; None at the end.

    Where the error is that a document begins, that document is the rest, unless the text began with it.
    """
    ends = islice(_LINE_END.finditer(text), max(line - 2, 0), line)
    starts = [end.end() for end in ends]
    if not starts:
        return None
    at_error = line > 1 and _NEXT_DOCUMENT.match(text, starts[0])
    mark = at_error or _NEXT_DOCUMENT.search(text, starts[-1])
    if mark is None:
        return None
    before = sum(1 for _ in _LINE_END.finditer(text, 0, mark.start()))
    return before, text[mark.start() :]


def lines_of(text: str) -> tuple[str, ...]:
    """The lines of a text without their ends, as the reader counts them."""
    return tuple(_LINE_END.split(text))
