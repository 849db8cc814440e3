"""Which labels a selector of Kubernetes means. Pure.

Source: Kubernetes documentation, Labels and Selectors, "Resources that support set-based requirements".
"""

from __future__ import annotations

from collections.abc import Mapping as Texts
from dataclasses import dataclass

from bascule.audit.kubernetes.manifest import texts
from bascule.audit.tree import Node, items, text

MOST_TOLD = 8


@dataclass(frozen=True, slots=True)
class Expression:
    """One requirement of `matchExpressions`; an operator that does not exist is met by nothing."""

    key: str
    operator: str
    values: frozenset[str]

    def meets(self, labels: Texts[str, str]) -> bool:
        """Whether the labels meet it: NotIn and DoesNotExist are met by labels that lack the key."""
        value = labels.get(self.key)
        if self.operator == "In":
            return value in self.values
        if self.operator == "NotIn":
            return value not in self.values
        return (value is None) == (self.operator == "DoesNotExist") and self.operator in {"Exists", "DoesNotExist"}


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements together; without any it selects everything, as `{}` does."""

    labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[Expression, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether it requires nothing."""
        return not self.labels and not self.expressions

    @property
    def keys(self) -> frozenset[str]:
        """The label keys that it asks for."""
        return frozenset([key for key, _ in self.labels] + [one.key for one in self.expressions])

    def selects(self, labels: Texts[str, str]) -> bool:
        """Whether something with these labels is meant."""
        return all(labels.get(key) == value for key, value in self.labels) and all(
            one.meets(labels) for one in self.expressions
        )

    def __str__(self) -> str:
        """As people write it: `app=web,tier In (back, front)`; of a long one the beginning."""
        wanted = [f"{key}={value}" for key, value in self.labels[:MOST_TOLD]]
        wanted += [
            f"{one.key} {one.operator} ({', '.join(sorted(one.values)[:MOST_TOLD])})"
            for one in self.expressions[:MOST_TOLD]
        ]
        more = ",..." if max(len(self.labels), len(self.expressions)) > MOST_TOLD else ""
        return ",".join(wanted) + more or "everything"


def selector(node: Node | None) -> Selector | None:
    """A selector of the form `matchLabels`, `matchExpressions`; None where there is none."""
    if node is None:
        return None
    expressions = tuple(
        Expression(
            key=text(one, "key") or "",
            operator=text(one, "operator") or "",
            values=frozenset(value for item in items(one, "values") if (value := text(item)) is not None),
        )
        for one in items(node, "matchExpressions")
    )
    return Selector(labels=tuple(texts(node, "matchLabels").items()), expressions=expressions)


def plain_selector(node: Node | None) -> Selector | None:
    """A Service's selector, which is labels alone; None where it has none: an empty one selects no pod."""
    labels = texts(node)
    return Selector(labels=tuple(labels.items())) if labels else None
