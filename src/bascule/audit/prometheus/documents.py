"""Prometheus's rule files and its own configuration, as rules ask for them. Pure.

Source: Prometheus documentation, Configuration, Recording rules and Alerting rules.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.estate import Estate, YamlDocument
from bascule.audit.place import Place
from bascule.audit.tree import Mapping, Node, Scalar, at, items, text


@dataclass(frozen=True, slots=True, eq=False)
class Alert:
    """One alerting rule."""

    file: str
    rule: Mapping
    name: str
    expression: str

    @property
    def subject(self) -> str:
        """For people: `alert TargetDown`."""
        return f"alert {self.name}"

    @property
    def place(self) -> Place:
        """Where its name stands."""
        return self.rule.entries["alert"].place

    def at(self, *path: str) -> Place:
        """Where this stands; the alert's name where it is missing."""
        found = at(self.rule, *path)
        return found.place if found is not None else self.place


@dataclass(frozen=True, slots=True, eq=False)
class RuleFile:
    """A document of groups of rules."""

    file: str
    root: Mapping
    alerts: tuple[Alert, ...]
    groups_place: Place


@dataclass(frozen=True, slots=True, eq=False)
class Server:
    """A Prometheus server's own configuration."""

    file: str
    root: Mapping


def read_yaml(document: YamlDocument) -> object | None:
    """The rule file or the configuration in a document, if it is one of these."""
    root = document.root
    if not isinstance(root, Mapping):
        return None
    name = document.file.name
    if text(root, "kind") == "PrometheusRule":
        return _rule_file(name, root, at(root, "spec", "groups"))
    if "apiVersion" in root.entries or "services" in root.entries:
        return None
    groups = items(root, "groups")
    if groups and all(items(one, "rules") or at(one, "rules") is not None for one in groups):
        return _rule_file(name, root, at(root, "groups"))
    if items(root, "scrape_configs") or at(root, "global", "scrape_interval") is not None:
        return Server(name, root)
    return None


def _rule_file(name: str, root: Mapping, groups: Node | None) -> RuleFile | None:
    if groups is None:
        return None
    alerts = [
        Alert(name, rule, found.text, text(rule, "expr") or "")
        for group in items(groups)
        for rule in items(group, "rules")
        if isinstance(rule, Mapping) and isinstance(found := rule.entries.get("alert"), Scalar)
    ]
    return RuleFile(name, root, tuple(alerts), groups.place)


def alerts(estate: Estate) -> list[Alert]:
    """Every alert of every file."""
    return [one for file in estate.of(RuleFile) for one in file.alerts]
