"""Who is meant by a name in an Open-PSA model: what stands in the same container first, then what is public. Pure.

Source: Open-PSA Model Exchange Format 2.0d, chapter "Fault tree layer", sections on containers and roles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bascule.availability.trees.openpsa_xml import Element

CONTAINERS = ("define-fault-tree", "define-component", "model-data", "opsa-mef")
DEFINED = {
    "define-gate": "gate",
    "define-basic-event": "basic-event",
    "define-house-event": "house-event",
    "define-parameter": "parameter",
}
NO_MATTER = ("label", "attributes")


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """Something with a name.

    Attributes:
        kind: What refers to it: gate, basic-event, house-event or parameter.
        name: Its own name where it is public, else its path.
        scope: The path of what it stands in.
        element: What defines it.
    """

    kind: str
    name: str
    scope: str
    element: Element

    @property
    def body(self) -> list[Element]:
        """What it is defined as, without labels and attributes."""
        return [child for child in self.element.children if child.tag not in NO_MATTER]


@dataclass(slots=True)
class Scopes:
    """The definitions of a model by name and by path; gates and events share their names, parameters have their own."""

    everything: list[Definition] = field(default_factory=list)
    _public: dict[tuple[bool, str], Definition] = field(default_factory=dict)
    _paths: dict[tuple[bool, str], Definition] = field(default_factory=dict)

    def add(self, definition: Definition, *, is_public: bool, path: str) -> None:
        """Take a definition in.

        Raises:
            InputError: The name is taken.
        """
        is_parameter = definition.kind == "parameter"
        tables = [(self._paths, path)] + ([(self._public, definition.name)] if is_public else [])
        for table, name in tables:
            other = table.setdefault((is_parameter, name), definition)
            if other is not definition:
                definition.element.refuse(
                    f"{name!r} is defined twice",
                    f"rename it, or make it private; the other one is at {other.element.where}",
                )
        self.everything.append(definition)

    def find(self, reference: Element, name: str, scope: str, kinds: Iterable[str]) -> Definition:
        """What a reference means.

        Raises:
            InputError: There is no such thing, or it is of another kind.
        """
        is_parameter = "parameter" in kinds
        found: Definition | None = None
        around = scope
        while found is None and around:
            found = self._paths.get((is_parameter, f"{around}.{name}"))
            around = around.rpartition(".")[0]
        found = found or self._public.get((is_parameter, name)) or self._paths.get((is_parameter, name))
        if found is None:
            reference.refuse(f"{name!r} is not defined", "define it in this file")
        if found.kind not in kinds:
            reference.refuse(f"{name!r} is a {found.kind}, not a {' or '.join(kinds)}", "name what is meant")
        return found


def scopes(root: Element) -> Scopes:
    """All definitions of a model.

    Raises:
        InputError: Something in it is not a fault tree: an event tree, common-cause group, substitution or the like.
    """
    if root.tag != "opsa-mef":
        root.refuse(f"<{root.tag}> is not the root of an Open-PSA model", "it is <opsa-mef>")
    found = Scopes()
    waiting = [(root, "", True)]
    while waiting:
        container, scope, is_public = waiting.pop()
        inner: list[tuple[Element, str, bool]] = []
        for child in container.children:
            if child.tag in NO_MATTER:
                continue
            if child.tag in CONTAINERS[:3]:
                named = child.attribute("name") if child.tag != "model-data" else ""
                inner.append((child, ".".join(filter(None, (scope, named))), _is_public(child, is_public)))
            elif child.tag in DEFINED:
                _define(found, child, scope, _is_public(child, is_public))
            else:
                child.refuse(f"<{child.tag}> is not supported", "fault trees alone are read: take it out")
        waiting += reversed(inner)
    return found


def _define(found: Scopes, element: Element, scope: str, is_public: bool) -> None:
    name = element.attribute("name")
    if "." in name:
        element.refuse(f"the name {name!r} has a dot", "dots divide the containers of a path: rename it")
    path = f"{scope}.{name}" if scope else name
    found.add(
        Definition(DEFINED[element.tag], name if is_public else path, scope, element), is_public=is_public, path=path
    )


def _is_public(element: Element, inherited: bool) -> bool:
    role = element.attributes.get("role")
    if role not in (None, "public", "private"):
        element.refuse(f"the role {role!r} is neither public nor private", "write one of them")
    return inherited if role is None else role == "public"
