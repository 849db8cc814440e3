"""Everything that an audit read: the texts, what readers made of them, and the system if there is one. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from bascule.audit.place import Place
from bascule.audit.tree import Node
from bascule.system.model import System
from bascule.system.problems import Positions

if TYPE_CHECKING:  # a prediction needs numpy, which an audit of files alone does without
    from bascule.availability.prediction import Prediction

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One text that was read.

    Attributes:
        lines: Without their ends.
        named: The user named it, or it is standard input: whatever it is called, its content tells what it is.
    """

    name: str
    text: str
    lines: tuple[str, ...]
    named: bool = False


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document of a YAML file, already known to be within the limits; `root` is never empty.

    Attributes:
        shared: Where values stand that aliases use too: an edit there would change several things at once.
    """

    file: SourceFile
    number: int
    root: Node
    shared: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, or a part of it, that could not be parsed: this is a finding, not a crash.

    Attributes:
        template: It is a template that was not rendered, and no mistake.
    """

    place: Place
    what: str
    template: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """What makes objects of one technology out of files.

    Attributes:
        technology: Its name, as rules have it.
        recognises: Whether a text that is no YAML is of this technology, told from its name and content; cheap.
        read: The objects in such a text, and what could not be read of it.
        read_yaml: The object in a YAML document, or None when it is of another technology. Both may be missing.
    """

    technology: str
    recognises: Callable[[SourceFile], bool] | None = None
    read: Callable[[SourceFile], tuple[list[object], list[Unreadable]]] | None = None
    read_yaml: Callable[[YamlDocument], object | None] | None = None


@dataclass(slots=True)
class Estate:
    """Everything that was read. Readers add objects of types of their own; rules ask for them by type.

    Attributes:
        system: The system file, when one was given and could be read, and where everything in it stands.
        prediction: How available that system can be.
        faults: Where a reader failed, which is a fault of bascule.
        unclaimed: Files that were named, or standard input, and are of no technology that is known.
        claims: Which technology a document is of, by file and number; number 0 is a file that is no YAML.
    """

    files: dict[str, SourceFile] = field(default_factory=dict)
    documents: list[YamlDocument] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    system: System | None = None
    positions: Positions | None = None
    prediction: Prediction | None = None
    faults: list[Unreadable] = field(default_factory=list)
    unclaimed: list[str] = field(default_factory=list)
    claims: dict[tuple[str, int], str] = field(default_factory=dict)
    _objects: dict[type, list[object]] = field(default_factory=dict)
    _indices: dict[object, object] = field(default_factory=dict)

    def add(self, found: object) -> None:
        """Take in an object that a reader made."""
        self._objects.setdefault(type(found), []).append(found)

    def of(self, kind: type[T]) -> list[T]:
        """All objects of this type, in the order in which they were read."""
        return [one for one in self._objects.get(kind, ()) if isinstance(one, kind)]

    def index(self, make: Callable[[Estate], T]) -> T:
        """What `make` makes of this estate, made once: for look-ups that several rules share."""
        if make not in self._indices:
            self._indices[make] = make(self)
        return self._indices[make]  # type: ignore[return-value]  # the value that `make` gave, kept under itself

    def place(self, path: str, *, key: bool = False) -> Place:
        """Where a path of the system file stands; only to be asked when there is a system."""
        assert self.positions is not None, "a rule about the system runs only when there is one"  # noqa: S101 - a contract between rules and the audit
        line, column = self.positions.line_and_column(path, key=key)
        return Place(self.positions.file, line, column)
