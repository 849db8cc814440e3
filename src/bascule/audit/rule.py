"""What a rule is: one function over everything that was read, and what people must know about it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from bascule.audit.estate import Estate
from bascule.audit.finding import Found, Objective, Severity

Technology = Literal[
    "files", "kubernetes", "haproxy", "patroni", "keepalived", "kafka", "prometheus", "compose", "system"
]
Check = Callable[[Estate], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: `BSC-K8S-007`: stable for ever, never used again for another rule.
        name: A few words in kebab case: `pdb-blocks-every-eviction`.
        severity: critical: an outage or lost data is certain or one ordinary event away; high: one failure that must be
            expected breaks a promise; medium: it makes an outage longer or likelier; low: it makes one harder to see.
        objectives: The promises that it breaks.
        why: What happens because of it, in two sentences at most.
        fix: What to write instead.
        source: Where the behaviour is documented: a manual with its section, or an address.
        check: Yields what it finds.
    """

    id: str
    name: str
    severity: Severity
    technology: Technology
    objectives: tuple[Objective, ...]
    why: str
    fix: str
    source: str
    check: Check


def rule(
    id: str,  # noqa: A002 - what SARIF and every linter call it
    name: str,
    *,
    severity: Severity,
    technology: Technology,
    breaks: tuple[Objective, ...],
    why: str,
    fix: str,
    source: str,
) -> Callable[[Check], Rule]:
    """Makes a rule of the function below it; the arguments are the attributes of `Rule`."""

    def made(check: Check) -> Rule:
        return Rule(
            id=id,
            name=name,
            severity=severity,
            technology=technology,
            objectives=breaks,
            why=why,
            fix=fix,
            source=source,
            check=check,
        )

    return made
