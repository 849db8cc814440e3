"""Drills gathered into a calibration: nothing judged is left out, nothing different is mixed."""

import math

from msgspec.structs import replace

from bascule.drill.calibrating import gather
from bascule.drill.report import Machine, Node, Report, Trial
from bascule.measure.calibration import decode, encode
from bascule.measure.verdict import Measure, Outcome, Verdict

MACHINE = Machine(kernel="6", processors=2, memory_mib=1, python="3", platform="loopback")
HIT = Node(name="a", component="d", engine="postgresql", zone="z", region="r", up=True, role="primary", hit=True)


def trial(rto_s: float | None, outcome: Outcome = "PASS", *, experiment: str = "kill", skipped: str = "") -> Trial:
    verdict = Verdict(outcome=outcome, reasons=(), measures=(Measure(name="rto", title="RTO", value=rto_s, unit="s"),))
    return Trial(experiment=experiment, title="", scope="", verdict=verdict, before=(HIT,), skipped=skipped)


def report(*trials: Trial) -> Report:
    return Report(system="shop", outcome="PASS", machine=MACHINE, objectives=(), trials=trials)


def test_judged_trials_give_times_and_the_others_are_counted() -> None:
    ran = (trial(20.0), trial(math.inf, "FAIL"), trial(1.0, "INVALID"), trial(None, "ABORTED"))
    found = gather([report(trial(0.0, experiment="control"), *ran, trial(None, "INVALID", skipped="no"))])
    (one,) = found.measured
    assert (one.engine, one.judged, one.undetermined) == ("postgresql", 2, 2)
    assert (one.times["rto"].samples, one.times["rto"].never) == ((20.0,), 1)
    assert one.times["detection"].unmeasured == 2
    assert decode(encode(found)) == found


def test_drills_of_one_thing_are_joined_and_of_another_machine_are_not() -> None:
    first = report(trial(20.0))
    assert [one.judged for one in gather([first, first]).measured] == [2]
    other = replace(first, machine=replace(MACHINE, kernel="7"))
    assert [one.kernel for one in gather([first, other]).measured] == ["6", "7"]
