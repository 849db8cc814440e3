"""The report of a drill: everything that its terminal, HTML, JSON and JUnit forms show. Its JSON has a schema."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from bascule.measure.bins import Bin
from bascule.measure.verdict import Outcome, Verdict

SCHEMA_VERSION = 1


class Mark(Struct, frozen=True, kw_only=True):
    """A moment on the timeline.

    Attributes:
        at_s: Seconds since the trial's start.
        kind: `fault`, `heal`, `instant` (t1 to t5), `disk` (this machine's stalled), or the kind of an engine's event
            (`noticed`, `promoted`, ...).
        source: The member or part that it comes from; empty for the drill itself.
    """

    at_s: float
    kind: str
    text: str
    source: str = ""


class Node(Struct, frozen=True, kw_only=True):
    """One member in a picture of the topology."""

    name: str
    component: str
    engine: str
    zone: str
    region: str
    up: bool
    role: str
    detail: str = ""
    hit: bool = False


class Trial(Struct, frozen=True, kw_only=True):
    """One experiment, run once.

    Attributes:
        experiment: Its identifier: `control`, `primary-kill`, `zone-loss`, ...
        title: For people.
        scope: Which promise it tests; empty for the control trial.
        target: What was hit: member, host, zone or region; empty for the control trial.
        explanation: What happened, in sentences, each drawn from an event on the timeline.
        started_wall_s: Seconds since the Unix epoch.
        offered: Operations that were due, by client.
        skipped: Why it could not be run on this platform; empty when it ran.
        started_s: The trial's start in seconds of CLOCK_MONOTONIC: places `verdict.instants` on the timeline. None: the
            first `fault` mark stands for t0.
        expected: What was expected of the system: FAIL where a weakness is known.
        surprise: In what it came otherwise than expected; empty when it did not.
    """

    experiment: str
    title: str
    scope: str
    verdict: Verdict
    target: str = ""
    explanation: tuple[str, ...] = ()
    started_wall_s: float = 0.0
    duration_s: float = 0.0
    bin_s: float = 0.25
    bins: tuple[Bin, ...] = ()
    marks: tuple[Mark, ...] = ()
    before: tuple[Node, ...] = ()
    after: tuple[Node, ...] = ()
    offered: dict[str, int] = field(default_factory=dict)
    skipped: str = ""
    started_s: float | None = None
    expected: Outcome = "PASS"
    surprise: str = ""


class Statistic(Struct, frozen=True, kw_only=True):
    """What several trials of one experiment say together.

    Attributes:
        met: In how many of the trials the objective was met, with the Clopper-Pearson interval of its probability.
        quantiles: Upper bounds on quantiles of the RTO that this many trials support, e.g. `{"P90": 23.1}`.
    """

    experiment: str
    trials: int
    met: int
    low: float
    high: float
    confidence: float = 0.95
    rto_min_s: float | None = None
    rto_median_s: float | None = None
    rto_max_s: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)


class Claimed(Struct, frozen=True, kw_only=True):
    """What came of the claim that the drill was to run until. It says nothing of the trials' own outcomes.

    Attributes:
        claim: `rto p95 <= 30s`: in 95 % of all trials the measure is at most the bound.
        ending: Stopping a drill before its end is `not shown`.
        trials: How many were run, each within the bound, over it, or undetermined: INVALID, aborted, or not measured.
        needed: Trials of the test that shows the claim.
        allowed: How many of these may be over or undetermined.
        limit: No more trials than this would have been run.
        confidence: A false claim is shown, and a true one refuted, with at most 1 - this probability.
        evidence_against: The e-value against the claim after the last trial; 1 / (1 - confidence) refutes it.
    """

    claim: str
    ending: Literal["shown", "refuted", "not shown"]
    trials: int
    within: int
    over: int
    undetermined: int
    needed: int
    allowed: int
    limit: int
    confidence: float = 0.95
    evidence_against: float = 1.0


class Machine(Struct, frozen=True, kw_only=True):
    """On what it was measured."""

    kernel: str
    processors: int
    memory_mib: int
    python: str
    platform: Literal["namespaces", "loopback"]
    programs: dict[str, str] = field(default_factory=dict)


class Report(Struct, frozen=True, kw_only=True):
    """A whole drill. `outcome` is the worst of its trials: ABORTED, INVALID, FAIL, PASS in that order of badness."""

    system: str
    outcome: Outcome
    machine: Machine
    objectives: tuple[str, ...]
    trials: tuple[Trial, ...]
    statistics: tuple[Statistic, ...] = ()
    command: str = ""
    seed: int = 0
    started_wall_s: float = 0.0
    duration_s: float = 0.0
    version: str = ""
    schema_version: int = SCHEMA_VERSION
    claimed: Claimed | None = None
