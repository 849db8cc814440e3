"""An experiment as a file describes it: what is broken when, what ends it at once, and what is expected of it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bascule.kernel.quantities import Duration, Rate, Share

Who = Literal["primary", "standbys", "replicas", "entry", "entries", "dependencies", "members"]
Scope = Literal["process", "host", "zone", "region"]
Grade = Annotated[str, Meta(pattern="^(zone|region|[1-9][0-9]?%|100%)$")]
"""How much is hit: a share of the members, a whole zone, or a whole region."""


class Whom(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a fault hits, chosen at the moment at which it strikes. May be written as one word: `primary`.

    Attributes:
        who: `primary`: who is in charge of the component that has a primary; `standbys`: the other members of that
            component; `replicas`: both; `entry`: the member at which clients arrive, the first where they know several;
            `entries`: all members of its component; `dependencies`: members of components that others need only to be
            whole (`soft`); `members`: all members.
        component: Only members of this component.
        zone, region: Only members there.
        member: This one member.
        share: So many of them, rounded up: 50% of three are two.
        count: So many of them; 0 for all.
        rolling: One after the other: the first time the first of them, the next time the next.
        whole: Not these members alone, but all of the zone or the region in which the first of them stands.
    """

    who: Who = "members"
    component: str = ""
    zone: str = ""
    region: str = ""
    member: str = ""
    share: Share = Share(1.0)
    count: Annotated[int, Meta(ge=0, le=10_000)] = 0
    rolling: bool = False
    whole: Literal["member", "zone", "region"] = "member"


class Repeat(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Do it again and again.

    Attributes:
        every: From one strike to the next.
        times: How often in all; 0 with `rolling`: once for each member.
    """

    every: Duration
    times: Annotated[int, Meta(ge=0, le=200)] = 0


class Ramp(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Make it worse step by step, within the time that `for` gives.

    Attributes:
        parameter: The fault's parameter that grows, a number.
        start, to: Its first and its last value.
        steps: How many values it takes, both of these included.
    """

    parameter: str
    start: Annotated[float, Meta(ge=0, le=1e9)]
    to: Annotated[float, Meta(ge=0, le=1e9)]
    steps: Annotated[int, Meta(ge=2, le=50)] = 5


class Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several faults of which luck takes one.

    Attributes:
        fault: Its name: `bascule fault list`.
        on: Whom it hits.
        with: Its parameters: `bascule fault show NAME`. Hosts may be named by component, zone, region or member.
    """

    fault: str
    on: Whom = Whom(who="primary")
    settings: dict[str, object] = field(default_factory=dict, name="with")


class Step(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a timeline: a fault, or one of several, at its time.

    Attributes:
        at: When, from the begin of the timeline.
        fault: Its name: `bascule fault list`.
        on: Whom it hits.
        with: Its parameters: `bascule fault show NAME`. Hosts may be named by component, zone, region or member.
        for: Undo it after this time. Without it, it acts until clients are served again.
        repeat: Again and again.
        ramp: Worse step by step.
        one_of: Luck takes one of these instead; the drill's seed says which.
        starts_clock: The recovery time counts from here, and not from the first fault.
    """

    at: Duration = Duration(0.0)
    fault: str = ""
    on: Whom = Whom(who="primary")
    settings: dict[str, object] = field(default_factory=dict, name="with")
    lasts: Duration | None = field(default=None, name="for")
    repeat: Repeat | None = None
    ramp: Ramp | None = None
    one_of: tuple[Choice, ...] = ()
    starts_clock: bool = False


class Probe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command of one's own that says whether all is well: exit code 0. It runs on the clients' host.

    Attributes:
        command: The program and its arguments; no shell reads them.
        every: How often it is asked while the timeline runs.
        timeout: It must answer within this time.
    """

    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    every: Duration = Duration(1.0)
    timeout: Duration = Duration(5.0)


class Steady(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The steady state: what must hold before the first fault, and again after the last repair.

    Attributes:
        for: So long every operation must be good before the first fault.
        probe: And this must answer well, before and after.
    """

    lasts: Duration = field(default=Duration(2.0), name="for")
    probe: Probe | None = None


class Load(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different about the load in this experiment.

    Attributes:
        rate: Offered operations per second.
        times: So many times the rate of the workload.
        deadline: An operation is good only if acknowledged within this time of its due time.
        retries: How often a client sends a failed operation again, within its deadline.
    """

    rate: Rate | None = None
    times: Annotated[float, Meta(gt=0, le=1000)] = 1.0
    deadline: Duration | None = None
    retries: Annotated[int, Meta(ge=-1, le=10)] = -1


class Stop(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When all is undone at once, and the drill ends as ABORTED.

    Attributes:
        burn: The error budget burns so many times faster than it may, ...
        over: ... over this time, at most 40s.
        loss: The first operation of a client is lost.
        probe: This does not answer well.
    """

    burn: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    over: Duration = Duration(10.0)
    loss: bool = False
    probe: Probe | None = None


class Blast(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The blast radius: how much may be hit at once. A strike that would go beyond it is not made.

    Attributes:
        share: Of the members of each component, rounded up.
        last: The last healthy member of a component may be hit, too.
    """

    share: Share = Share(1.0)
    last: bool = False


class Objective(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What this experiment is held to, in place of the promise for its scope.

    Attributes:
        rto: Recovery time: how long after the fault clients are served again, at most.
        rpo: Recovery point: how much of the latest acknowledged work may be lost; 0 means none.
    """

    rto: Duration
    rpo: Duration = Duration(0.0)


class Expectation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is expected of the system. May be written as one word: `FAIL`. What comes otherwise is a surprise.

    Attributes:
        outcome: PASS: it keeps its promises; FAIL: a weakness is known, and shall be seen.
        misses: The measures that miss their objective, by name: `rto`, `rpo_writes`, ...
    """

    outcome: Literal["PASS", "FAIL"] = "PASS"
    misses: tuple[str, ...] = ()


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An experiment: a timeline of faults under load, with its limits.

    Attributes:
        title: For people.
        about: What it shows, in a sentence or two.
        scope: Whose promise (RTO, RPO) it tests.
        steady: The steady state before the first fault.
        load: What is different about the load.
        timeline: What is broken when.
        stop: What ends it at once.
        blast: How much may be hit at once.
        objectives: What it is held to, in place of the promise for its scope.
        expect: What is expected of the system.
        grades: Run it step by step, worse each time: `[10%, 50%, zone, region]`. It ends at the first that fails.
        source: Where the incident that it re-enacts was published.
    """

    timeline: Annotated[tuple[Step, ...], Meta(min_length=1)]
    title: str = ""
    about: str = ""
    scope: Scope = "process"
    steady: Steady = Steady()
    load: Load = Load()
    stop: Stop = Stop()
    blast: Blast = Blast()
    objectives: Objective | None = None
    expect: Expectation = Expectation()
    grades: tuple[Grade, ...] = ()
    source: str = ""
