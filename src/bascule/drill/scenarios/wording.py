"""A timeline in words, for whoever wants to know what will be done. Pure."""

from __future__ import annotations

from bascule.drill.scenarios.schedule import Strike
from bascule.drill.scenarios.whom import described
from bascule.system.scenario import Scenario


def told(strike: Strike) -> str:
    """One strike: when, what, with which parameters, on whom, and until when."""
    settings = "".join(f" {name}={_plain(value)}" for name, value in strike.settings.items())
    turn = f" (number {strike.turn + 1})" if strike.on.rolling else ""
    until = (
        f"for {strike.until_s - strike.at_s:g} s" if strike.until_s is not None else "until clients are served again"
    )
    clock = "; the clock starts" if strike.starts_clock else ""
    return f"At {strike.at_s:g} s: {strike.fault}{settings} on {described(strike.on)}{turn}, {until}{clock}"


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def limits(scenario: Scenario) -> str:
    """What is different about the load, what ends it at once, and how much may be hit, in one sentence."""
    load, stop, blast = scenario.load, scenario.stop, scenario.blast
    changed = [
        f"{load.rate} offered"
        if load.rate is not None
        else f"{load.times:g} times the load"
        if load.times != 1
        else "",
        f"deadline {load.deadline}" if load.deadline is not None else "",
        f"{load.retries} retries" if load.retries >= 0 else "",
    ]
    ends = [
        f"the error budget burns {stop.burn:g} times too fast over {stop.over}" if stop.burn else "",
        "an operation is lost" if stop.loss else "",
        f"{stop.probe.command[0]} does not answer well" if stop.probe is not None else "",
    ]
    said = [", ".join(filter(None, changed))]
    if any(ends):
        said.append(f"stopped when {' or '.join(filter(None, ends))}")
    last = "the last healthy one too" if blast.last else "never the last healthy one"
    said.append(f"at most {blast.share} of a component's members hit at once, {last}")
    text = "; ".join(filter(None, said))
    return text[0].upper() + text[1:]
