"""Traps of circuit breakers: half-open, generations, cancellation, what does not count."""

from __future__ import annotations

import datetime as dt
import time

from benchmarks.peers.lab import (
    Dependency,
    Hold,
    Lab,
    MissedError,
    NotOfferedError,
    cancel,
    need,
    outcome,
    until,
    wait_out,
)
from benchmarks.peers.subject import OPEN_S, Call, Wanted

CALLERS = 50
DOWN = ConnectionError("down")


def breaker(lab: Lab, wanted: Wanted | None = None) -> tuple[Dependency, Call]:
    """A dependency behind a breaker that opens after two failures."""
    dependency = Dependency()
    return dependency, lab.guard("breaker", dependency, wanted or Wanted())


def stampede(lab: Lab) -> str:
    """Of many callers at once only the permitted probes get through a half-open circuit."""
    lab.several_at_once("breaker")
    dependency, call = breaker(lab)
    lab.half_open(call, dependency)
    hold = Hold()
    dependency.otherwise = hold
    before = dependency.entered
    futures = [lab.start(call) for _ in range(CALLERS)]

    def all_decided() -> bool:
        return dependency.entered - before + sum(future.done() for future in futures) >= CALLERS

    until(all_decided)
    through = dependency.entered - before
    hold.release()
    need(through == 1, f"{through} of {CALLERS} callers got through, 1 was permitted")
    return f"1 of {CALLERS} callers got through"


def opened_beside(lab: Lab, call: Call, dependency: Dependency) -> bool:
    """Open the circuit while a call runs; False where no call can be made beside another one."""
    dependency.steps.append(DOWN)
    try:
        lab.call(call)
    except MissedError:
        return False
    lab.trip(call, dependency, failures=1)
    return True


SERIAL = "no call can be late: calls wait for each other"


def earlier_generation(lab: Lab) -> str:
    """What was admitted before the circuit opened counts neither after it closed nor as a probe."""
    lab.several_at_once("breaker")
    dependency, call = breaker(lab)
    late = Hold(then=DOWN)
    dependency.steps.append(late)
    straggler = lab.start(call)
    need(late.came(), "the first call was not made")
    if not opened_beside(lab, call, dependency):
        return SERIAL
    wait_out(OPEN_S)
    need(lab.is_let_in(call, dependency), "no probe was let through")
    late.release()
    outcome(straggler)
    lab.fail(call, dependency)
    need(
        lab.is_let_in(call, dependency),
        "a failure from before the circuit opened counted after it closed: one fresh failure opened it, two are needed",
    )
    dependency, call = breaker(lab)
    late, probe = Hold(then=DOWN), Hold()
    dependency.steps.append(late)
    straggler = lab.start(call)
    need(late.came(), "the first call was not made")
    lab.half_open(call, dependency)
    dependency.steps.append(probe)
    probing = lab.start(call)
    need(probe.came(), "no probe was let through")
    late.release()
    outcome(straggler)
    probe.release()
    outcome(probing)
    need(lab.is_let_in(call, dependency), "a late failure opened the circuit again while a probe was under way")
    late_success_while_half_open(lab)
    return "late outcomes changed nothing"


def late_success_while_half_open(lab: Lab) -> None:
    """The same for a success that comes while a probe is under way, which fails after it."""
    dependency, call = breaker(lab)
    late, probe = Hold(), Hold(then=DOWN)
    dependency.steps.append(late)
    straggler = lab.start(call)
    need(late.came(), "the first call was not made")
    lab.half_open(call, dependency)
    dependency.steps.append(probe)
    probing = lab.start(call)
    need(probe.came(), "no probe was let through")
    late.release()
    outcome(straggler)
    probe.release()
    outcome(probing)
    need(not lab.is_let_in(call, dependency), "a late success closed the circuit while a probe was under way")


def hung_probe(lab: Lab) -> str:
    """A probe that never answers does not keep everybody else out for ever."""
    lab.several_at_once("breaker")
    dependency, call = breaker(lab)
    lab.half_open(call, dependency)
    hang = Hold()
    dependency.steps.append(hang)
    lab.start(call)
    need(hang.came(), "no probe was let through")
    begun_s = time.monotonic()
    before = dependency.entered
    while time.monotonic() - begun_s < 2.0:
        lab.start(call)
        if until(lambda: dependency.entered > before, 0.1):
            waited_s = time.monotonic() - begun_s
            hang.release()
            return "the next caller got through at once" if waited_s < 0.1 else "the next caller got through in time"
    hang.release()
    raise MissedError("nobody got through for 2 s beside a hung probe, 13 times as long as the circuit stays open")


def ignored_returns_permit(lab: Lab) -> str:
    """A probe that ends in an error that does not count gives its permit back."""
    dependency, call = breaker(lab, Wanted(ignored=ValueError))
    lab.half_open(call, dependency)
    dependency.steps.append(ValueError("mine"))
    error = lab.call(call)
    need(isinstance(error, ValueError), f"the probe's own error became {type(error).__name__}")
    need(lab.is_let_in(call, dependency), "the next call was refused: the permit was lost, or the error counted")
    return "the next call got through"


def cancellation(lab: Lab) -> str:
    """A cancelled call is neither a success nor a failure, and keeps no permit and no slot."""
    if lab.flavour == "sync":
        raise NotOfferedError
    dependency, call = breaker(lab)
    for _ in range(2):
        cancelled(lab, call, dependency)
    need(lab.is_let_in(call, dependency), "two cancelled calls opened the circuit")
    dependency, call = breaker(lab)
    lab.fail(call, dependency)
    cancelled(lab, call, dependency)
    lab.fail(call, dependency)
    need(not lab.is_let_in(call, dependency), "a cancelled call counted as a success between two failures")
    dependency, call = breaker(lab)
    lab.half_open(call, dependency)
    cancelled(lab, call, dependency)
    dependency.steps.append(DOWN)
    before = dependency.entered
    lab.call(call)
    need(dependency.entered > before, "a cancelled probe kept its permit, or opened the circuit")
    need(not lab.is_let_in(call, dependency), "a cancelled probe closed the circuit")
    if ("bulkhead", "async") not in lab.subject.features:
        return "cancelled calls changed nothing"
    cancelled_in_bulkhead(lab)
    return "cancelled calls changed nothing and kept no slot"


def cancelled(lab: Lab, call: Call, dependency: Dependency) -> None:
    """Begin a call, and cancel it while it runs."""
    hold = Hold()
    dependency.steps.append(hold)
    future = lab.start(call)
    need(hold.came(), "a call that should run was refused")
    cancel(future)
    hold.release()


def cancelled_in_bulkhead(lab: Lab) -> None:
    """Cancel a call in a slot, and one that waits for a slot."""
    dependency = Dependency()
    call = lab.guard("bulkhead", dependency, Wanted(limit=1, queue_wait_s=5.0))
    cancelled(lab, call, dependency)
    hold = Hold()
    dependency.steps.append(hold)
    first = lab.start(call)
    need(hold.came(), "a cancelled call kept its slot")
    before = dependency.entered
    waiter = lab.start(call)
    until(lambda: dependency.entered > before, 0.05)
    cancel(waiter)
    hold.release()
    outcome(first)
    need(lab.is_let_in(call, dependency), "a call that was cancelled in the queue kept a slot")
    need(dependency.entered == before + 1, "a call that was cancelled in the queue was made")
    hold = Hold()
    dependency.steps.append(hold)
    first = lab.start(call)
    need(hold.came(), "no slot was free after all calls had ended")
    lab.start(call)
    need(not until(lambda: dependency.entered > before + 2, 0.05), "after a cancelled wait two calls share one slot")
    hold.release()
    outcome(first)


def late_success(lab: Lab) -> str:
    """A success that was admitted before the circuit opened does not close it."""
    lab.several_at_once("breaker")
    dependency, call = breaker(lab)
    late = Hold()
    dependency.steps.append(late)
    straggler = lab.start(call)
    need(late.came(), "the first call was not made")
    if not opened_beside(lab, call, dependency):
        return SERIAL
    late.release()
    outcome(straggler)
    need(not lab.is_let_in(call, dependency), "a late success closed the open circuit")
    return "the circuit stayed open"


def excluded(lab: Lab) -> str:
    """An error that does not count is neither a failure nor a success: two failures with it between them open."""
    dependency, call = breaker(lab, Wanted(ignored=ValueError))
    lab.fail(call, dependency)
    dependency.steps.append(ValueError("mine"))
    lab.call(call)
    lab.fail(call, dependency)
    need(not lab.is_let_in(call, dependency), "it counted as a success: two failures with it between them did not open")
    dependency, call = breaker(lab, Wanted(ignored=ValueError))
    for _ in range(3):
        dependency.steps.append(ValueError("mine"))
        lab.call(call)
    need(lab.is_let_in(call, dependency), "it counted as a failure: three of them opened the circuit")
    return "it counted as nothing"


REAL_TIME, REAL_TIME_NS = time.time, time.time_ns


class Wall:
    """The wall clock as everything that is imported later sees it; it can be set."""

    ahead_s = 0.0


class ShiftedDatetime(dt.datetime):
    """`datetime` by that clock."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> ShiftedDatetime:
        """The present, as the clock has it."""
        return cls.fromtimestamp(REAL_TIME() + Wall.ahead_s, tz)

    @classmethod
    def utcnow(cls) -> ShiftedDatetime:
        """The same without a zone."""
        return cls.now(dt.UTC).replace(tzinfo=None)


def install_wall_clock() -> None:
    """Put that clock in the place of the real one; to be done before a library is imported."""
    time.time = lambda: REAL_TIME() + Wall.ahead_s
    time.time_ns = lambda: REAL_TIME_NS() + int(Wall.ahead_s * 1e9)
    dt.datetime = ShiftedDatetime  # type: ignore[misc]  # what is imported after this gets the shifted one


def wall_clock(lab: Lab) -> str:
    """Setting the wall clock neither ends a wait nor prolongs it."""
    if ("breaker", lab.flavour) not in lab.subject.features:
        return wall_clock_of_deadline(lab)
    Wall.ahead_s = 0.0
    dependency, call = breaker(lab, Wanted(open_s=60.0))
    lab.trip(call, dependency)
    Wall.ahead_s = 3600.0
    need(not lab.is_let_in(call, dependency), "the clock was put forward an hour, and the open circuit let a call in")
    dependency, call = breaker(lab)
    lab.trip(call, dependency)
    Wall.ahead_s = 0.0
    came = until(lambda: lab.is_let_in(call, dependency), 1.0)
    need(came, "the clock was put back an hour, and the circuit stays open long after its time")
    return "the clock was put forward and back an hour, and nothing changed"


def wall_clock_of_deadline(lab: Lab) -> str:
    """The same for the total time of a retry."""
    Wall.ahead_s = 0.0
    calls = 0

    def work() -> str:
        nonlocal calls
        calls += 1
        Wall.ahead_s = 3600.0
        if calls == 1:
            raise DOWN
        return "done"

    async def wait() -> str:
        return work()

    wanted = Wanted(deadline_s=60.0)
    call = lab.apply(lambda: lab.decorator("deadline", wanted)(wait if lab.flavour == "async" else work))
    error = lab.call(call)
    need(error is None and calls == 2, "the clock was put forward an hour, and the retry gave up")
    return "the clock was put forward an hour, and nothing changed"
