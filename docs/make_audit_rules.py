"""Writes the page of all audit rules beside this script: `python docs/make_audit_rules.py`; a test holds it current."""  # noqa: INP001 - it is a script

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from bascule.audit import technologies
from bascule.audit.rule import Rule
from bascule.audit.visible import address

HERE = Path(__file__).resolve().parent
PAGE = HERE / "audit-rules.md"
TITLES = {
    "files": "Files",
    "system": "The system file",
    "kubernetes": "Kubernetes",
    "haproxy": "HAProxy",
    "patroni": "Patroni",
    "keepalived": "keepalived",
    "kafka": "Kafka",
    "prometheus": "Prometheus",
    "compose": "Compose",
}
_CODE = re.compile(r"(`[^`]*`)")


def page() -> str:
    """The page's text, from the rules as they are registered."""
    return "\n".join(_lines(technologies.rules())) + "\n"


def _lines(rules: tuple[Rule, ...]) -> Iterator[str]:
    yield "# Audit rules"
    yield ""
    yield f"All {len(rules)} rules that [`bascule audit`](audit.md) asks, as `bascule audit --explain ID` tells them."
    yield "This page is written by `docs/make_audit_rules.py`."
    order = {name: number for number, name in enumerate(technologies.NAMES)}
    ordered = sorted(rules, key=lambda one: (order[one.technology], one.id))
    for technology, group in groupby(ordered, key=lambda one: one.technology):
        members = list(group)
        yield ""
        yield f"## {TITLES[technology]}"
        yield ""
        yield "| Rule | Severity | What | Breaks |"
        yield "|---|---|---|---|"
        for one in members:
            breaks = ", ".join(one.objectives) or "-"
            yield f"| [{one.id}](#{one.id.lower()}) | {one.severity} | {one.name.replace('-', ' ')} | {breaks} |"
        for one in members:
            yield from _rule(one)


def _rule(rule: Rule) -> Iterator[str]:
    link = address(rule.source)
    yield ""
    yield f"### {rule.id}"
    yield ""
    yield f"**{rule.name.replace('-', ' ')}** ({rule.severity}). {_text(rule.why)}"
    yield ""
    yield f"Instead: {_text(rule.fix)}"
    yield ""
    yield f"Source: {f'[{_text(rule.source)}]({link})' if link else _text(rule.source)}"


def _text(words: str) -> str:
    """The words with what Markdown would take for HTML or emphasis written out, but for code."""
    parts = _CODE.split(words)
    shown = [part if part.startswith("`") else re.sub(r"[<>*_\[\]|]", r"\\\g<0>", part) for part in parts]
    return "".join(shown)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
