"""XML as a plain tree with places, within limits and without entities: what hostile input cannot get past. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from bascule.kernel.errors import InputError

MOST_BYTES = 64 << 20
MOST_DEPTH = 100
MOST_ELEMENTS = 1_000_000


@dataclass(slots=True, eq=False)
class Element:
    """An element; its text is not kept, as the format says everything in attributes.

    Attributes:
        tag: Its name.
        attributes: Its attributes.
        where: Its place, as file:line:column.
        children: The elements in it.
    """

    tag: str
    attributes: dict[str, str]
    where: str
    children: list[Element] = field(default_factory=list)

    def refuse(self, what: str, hint: str = "") -> NoReturn:
        """Say that it cannot be used, and where it is.

        Raises:
            InputError: Always.
        """
        raise InputError(what, where=self.where, hint=hint)

    def attribute(self, name: str) -> str:
        """The attribute's value.

        Raises:
            InputError: It has none, or an empty one.
        """
        value = self.attributes.get(name, "").strip()
        if not value:
            self.refuse(f"<{self.tag}> has no {name}", f'write <{self.tag} {name}="...">')
        return value


def parsed(data: bytes, file: str) -> Element:
    """The root element of an XML document.

    Args:
        data: The document, of at most 64 MB.
        file: Its name, for error messages.

    Raises:
        InputError: It is not well-formed, too large, too deep, or has a document type or entities.
    """
    if len(data) > MOST_BYTES:
        raise InputError(f"the file has {len(data):,} bytes", where=file, hint=f"at most {MOST_BYTES:,} are read")
    tree = _Tree(file)
    try:
        tree.parser.Parse(data, True)  # noqa: FBT003 - the parser takes no keywords
    except expat.ExpatError as error:
        raise InputError(
            f"the file is not well-formed XML: {expat.ErrorString(error.code)}",
            where=f"{file}:{error.lineno}:{error.offset + 1}",
            hint="correct it there",
        ) from error
    except (LookupError, ValueError) as error:  # an encoding that there is none of
        raise InputError(f"the file is not well-formed XML: {error}", where=file, hint="write it in UTF-8") from error
    return tree.root


class _Tree:
    """Builds the tree from what the parser reports."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[Element] = []
        self._count = 0
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.EntityDeclHandler = self._entity
        self._root: Element | None = None

    @property
    def root(self) -> Element:
        """The root element; a well-formed document has one."""
        assert self._root is not None, "the parser refuses no element"  # noqa: S101 - for the type checker
        return self._root

    def _place(self) -> str:
        return f"{self._file}:{self.parser.CurrentLineNumber}:{self.parser.CurrentColumnNumber + 1}"

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise InputError(
                f"the file has more than {MOST_ELEMENTS:,} elements", where=self._place(), hint="divide it"
            )
        if len(self._open) >= MOST_DEPTH:
            raise InputError(
                f"elements are nested more than {MOST_DEPTH} deep",
                where=self._place(),
                hint="name the inner formulas as gates",
            )
        element = Element(tag, attributes, self._place())
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _: str) -> None:
        self._open.pop()

    def _doctype(self, *_: object) -> None:
        raise InputError("the file has a document type", where=self._place(), hint="remove <!DOCTYPE ...>")

    def _entity(self, *_: object) -> None:
        raise InputError("the file defines an entity", where=self._place(), hint="write its text instead")
