"""What a system file promised for the loss of something, ready for rules that compare times with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.estate import Estate
from bascule.audit.place import Place
from bascule.kernel.quantities import Duration
from bascule.system.model import SCOPES
from bascule.system.scenario import Scope


@dataclass(frozen=True, slots=True)
class Promise:
    """One promised time: `rto` or `rpo`, for the loss of what, and where it is written."""

    scope: Scope
    time: Duration
    place: Place

    @property
    def seconds(self) -> float:
        """The promised time."""
        return self.time.seconds

    def related(self) -> tuple[tuple[Place, str], ...]:
        """For a finding: where the promise stands."""
        return ((self.place, "what was promised"),)


def shortest_rto(estate: Estate, *scopes: Scope) -> Promise | None:
    """The shortest recovery time that is promised for the loss of one of these; None where nothing is promised."""
    return _shortest(estate, "rto", scopes or SCOPES)


def shortest_rpo(estate: Estate, *scopes: Scope) -> Promise | None:
    """The shortest recovery point that is promised for the loss of one of these; None where nothing is promised."""
    return _shortest(estate, "rpo", scopes or SCOPES)


def _shortest(estate: Estate, key: str, scopes: tuple[Scope, ...]) -> Promise | None:
    if estate.system is None:
        return None
    promised = estate.system.objectives.disruptions
    found: list[tuple[Duration, Scope]] = [(getattr(promised[one], key), one) for one in scopes if one in promised]
    if not found:
        return None
    time, scope = min(found, key=lambda each: each[0].seconds)
    return Promise(scope=scope, time=time, place=estate.place(f"objectives.disruptions.{scope}.{key}"))
