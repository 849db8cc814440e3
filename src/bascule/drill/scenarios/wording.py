"""A timeline in words, for whoever wants to know what will be done. Pure."""

from __future__ import annotations

from bascule.drill.scenarios.schedule import Strike
from bascule.drill.scenarios.whom import described


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
