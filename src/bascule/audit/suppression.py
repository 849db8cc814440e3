"""Comments and annotations by which people say that a finding is meant to be, and why. Pure.

`# bascule: ignore BSC-K8S-007 - reason` holds for its own line, or for the next one when it stands alone;
`# bascule: ignore-file BSC-K8S-007 - reason` for the file; the annotation `bascule.io/ignore: "BSC-K8S-007: reason"`
for the whole Kubernetes object. One without a reason holds for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, islice

from msgspec import Struct

from bascule.audit.estate import Estate, SourceFile, YamlDocument
from bascule.audit.place import Place
from bascule.audit.tree import Node, at, items, text

ANNOTATION = "bascule.io/ignore"
_IDS = r"BSC-[A-Z0-9]+-[0-9]+(?:\s*,\s*BSC-[A-Z0-9]+-[0-9]+)*"
_COMMENT = re.compile(rf"[#;!]\s*bascule:\s*(?P<scope>ignore(?:-file)?)\s+(?P<ids>{_IDS})(?P<rest>.*)$")
_IN_ANNOTATION = re.compile(rf"\s*(?P<ids>{_IDS})(?P<rest>.*)$", re.DOTALL)
_ONLY_COMMENT = re.compile(r"\s*([#;!]|$)")
_MOST_CHARACTERS = 2_000
MOST_IN_A_FILE = 1_000
"""Of one kind in one file; those behind them hold for nothing, so that what they are about is told."""


class Suppression(Struct, frozen=True, kw_only=True):
    """Some rules that are not to be told of some lines.

    Attributes:
        place: Where it stands.
        ids: The rules.
        reason: Why; without one it holds for nothing.
        first_line, last_line: The lines that it is about.
    """

    place: Place
    ids: tuple[str, ...]
    reason: str
    first_line: int
    last_line: int


def suppressions(estate: Estate) -> dict[str, list[Suppression]]:
    """Every suppression, by the file that it is in."""
    found: dict[str, list[Suppression]] = {}
    for file in estate.files.values():
        if "bascule:" in file.text:
            found.setdefault(file.name, []).extend(islice(_in_comments(file), MOST_IN_A_FILE))
    annotated = (document for document in estate.documents if ANNOTATION in document.file.text)
    for name, documents in groupby(annotated, key=lambda one: one.file.name):
        every = (one for document in documents for one in _in_annotations(document))
        found.setdefault(name, []).extend(islice(every, MOST_IN_A_FILE))
    return found


def _in_comments(file: SourceFile) -> Iterator[Suppression]:
    meant = 0
    for number, line in enumerate(file.lines, 1):
        found = _COMMENT.search(line[:_MOST_CHARACTERS]) if "bascule:" in line else None
        if found is None:
            continue
        whole = found["scope"] == "ignore-file"
        if line[: found.start()].strip():
            meant = number
        elif meant <= number:
            meant = number + 1
            while meant <= len(file.lines) and _ONLY_COMMENT.match(file.lines[meant - 1]):
                meant += 1
        yield Suppression(
            place=Place(file.name, number, found.start() + 1, number, found.end() + 1),
            ids=_ids(found["ids"]),
            reason=_reason(found["rest"]),
            first_line=1 if whole else meant,
            last_line=len(file.lines) if whole else meant,
        )


def _in_annotations(document: YamlDocument) -> Iterator[Suppression]:
    for thing in (document.root, *items(document.root, "items")):
        node = at(thing, "metadata", "annotations", ANNOTATION)
        for part in (text(node) or "")[:_MOST_CHARACTERS].split(";"):
            found = _IN_ANNOTATION.match(part)
            if node is not None and found is not None:
                yield _of_object(thing, node.place, found)


def _of_object(thing: Node, place: Place, found: re.Match[str]) -> Suppression:
    return Suppression(
        place=place,
        ids=_ids(found["ids"]),
        reason=_reason(found["rest"]),
        first_line=thing.place.line,
        last_line=thing.place.end_line or thing.place.line,
    )


def _ids(listed: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in listed.split(","))


def _reason(rest: str) -> str:
    """What is behind the dash or colon; one word is no reason."""
    return rest.strip().lstrip("-:\u2013\u2014").removesuffix("-->").strip()
