"""Which stretches of the texts count in several places, because aliases of YAML use them too. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from bascule.audit.estate import Estate
from bascule.audit.finding import Edit
from bascule.audit.place import Place

_Point = tuple[int, int]


class Shared:
    """The stretches of every file that aliases use, for questions that stay fast with many of them.

    Args:
        places: All of them, with their ends; they may lie in each other.
    """

    def __init__(self, places: Sequence[Place]) -> None:
        self._starts: dict[str, list[_Point]] = {}
        self._ends: dict[str, list[_Point]] = {}
        for place in sorted(places):
            starts, ends = self._starts.setdefault(place.file, []), self._ends.setdefault(place.file, [])
            end = (place.end_line, place.end_column)
            if ends and (place.line, place.column) <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append((place.line, place.column))
                ends.append(end)

    def has(self, place: Place) -> bool:
        """Whether any of a place lies in one of the stretches, or touches it."""
        starts = self._starts.get(place.file)
        if not starts:
            return False
        end = max((place.end_line, place.end_column), (place.line, place.column))
        before = bisect_right(starts, end) - 1
        return before >= 0 and (place.line, place.column) <= self._ends[place.file][before]


def shared(estate: Estate) -> Shared:
    """What aliases use in everything that was read; ask for it by `estate.index(shared)`."""
    return Shared([place for document in estate.documents for place in document.shared])


def safe_edits(edits: tuple[Edit, ...], estate: Estate) -> tuple[Edit, ...]:
    """The edits of a finding, all of them; none where one would change what an alias uses in another place too."""
    return () if edits and any(estate.index(shared).has(one.place) for one in edits) else edits
