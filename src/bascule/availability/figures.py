"""What is typical of a component where its system file says nothing, each figure with its source. Pure.

A figure is either read somewhere, and its source says where; or follows from options, and its source says how; or is an
assumption, and its source begins with that word. Predictions print them: none of them replaces a measurement.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, structs

from bascule.kernel.quantities import Duration, Share

Needed = Literal["one", "majority", "all"]
NAMES = ("mtbf", "mttr", "needed", "redundancy", "failover", "coverage", "manual", "beta")
"""What must have a source."""

VOTING = frozenset({"etcd", "consul", "zookeeper"})
"""Engines of which a majority is needed, however many there are."""

ASSUMPTION = "assumption"
RESTARTS = (
    "4.2 restarts a year and machine, for whatever reason: L. A. Barroso, U. Hölzle, The Datacenter as a Computer,"
    " Morgan & Claypool, 2009, on machine-level failures"
)
BETA_RANGE = (
    "assumption: the upper end of what IEC 61508-6, annex D, gives for programmable electronics (0.5% to 5%), because"
    " replicas run the same software"
)


class Figures(Struct, frozen=True, kw_only=True):
    """How often one replica fails, how it comes back, and what the others do meanwhile.

    Attributes:
        mtbf: Mean time between failures of one replica by its own cause; the loss of its zone or region is not counted.
        mttr: Mean time to repair one replica, until it serves again.
        needed: How many replicas carry the whole load.
        redundancy: `active`: all serve; `standby`: one serves, or leads, and its failure needs a failover.
        failover: How long clients are not served when a replica fails and the others take over, detection included.
        coverage: The probability that this works by itself.
        manual: How long an outage lasts when it did not.
        beta: The share of failures that hit all replicas at once.
        sources: Where each of them comes from.
        remark: What these figures do not show.
        lost: How much acknowledged work a failover loses, as time before it; None: it is not known.
        parts: What a failover is made of, in the order in which it passes; empty where it is one thing.
    """

    mtbf: Duration
    mttr: Duration
    needed: Needed
    redundancy: Literal["active", "standby"]
    failover: Duration
    coverage: Share
    manual: Duration
    beta: Share
    sources: dict[str, Annotated[str, Meta(min_length=1)]]
    remark: str = ""
    lost: Duration | None = None
    parts: tuple[tuple[str, Duration], ...] = ()

    def __post_init__(self) -> None:
        missing = [name for name in NAMES if not self.sources.get(name)]
        if missing or len(self.sources) != len(NAMES):
            message = f"figures without a source, or sources without a figure: {missing or sorted(self.sources)}"
            raise ValueError(message)

    def needed_of(self, replicas: int) -> int:
        """How many of so many replicas are needed."""
        return {"one": 1, "majority": replicas // 2 + 1, "all": replicas}[self.needed]

    def is_assumption(self, name: str) -> bool:
        """Whether the figure of this name was read nowhere and follows from nothing."""
        return self.sources[name].startswith(ASSUMPTION)

    def but(self, name: str, value: object, source: str) -> Figures:
        """The same figures, but for the one of this name, which has this value from this source."""
        return structs.replace(self, **{name: value, "sources": {**self.sources, name: source}})


TYPICAL = Figures(
    mtbf=Duration(87 * 86400.0),
    mttr=Duration(1800.0),
    needed="one",
    redundancy="active",
    failover=Duration(1.0),
    coverage=Share(0.99),
    manual=Duration(1800.0),
    beta=Share(0.05),
    sources={
        "mtbf": RESTARTS,
        "mttr": "assumption: half an hour until another machine runs what this one ran",
        "needed": "assumption: one replica carries the whole load",
        "redundancy": "assumption: clients use all replicas",
        "failover": "assumption: a client leaves a replica that does not answer for a second",
        "coverage": "assumption: one failover in a hundred does not work",
        "manual": "assumption: half an hour until somebody who was called has put it right",
        "beta": BETA_RANGE,
    },
)
"""Of something of which nothing is known but that it runs on a machine."""
