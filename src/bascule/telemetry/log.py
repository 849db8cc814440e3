"""Facts as lines of the standard library's logging, each a JSON object."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from bascule.kernel.facts import Fact
from bascule.telemetry.reading import guard_of, name_of, values_of

LOGGER = "bascule.facts"

LEVELS: dict[str, int] = {
    # what an operator wants to know: something was given up, or does not work
    "CircuitOpened": logging.WARNING,
    "RetriesGivenUp": logging.WARNING,
    "FactsDropped": logging.WARNING,
    "ListenerFailed": logging.WARNING,
    "LevelEntered": logging.WARNING,
    "SharedStateLost": logging.WARNING,
    "ExperimentSwitchedOn": logging.WARNING,
    "ExperimentRefused": logging.WARNING,
    "CheckFailed": logging.WARNING,
    "BecameNotReady": logging.WARNING,
    "LivenessLost": logging.ERROR,
    # who is in charge: somebody cannot be, or something is not as it should be
    "SessionLost": logging.WARNING,
    "PromotionFailed": logging.WARNING,
    "ActuatorMended": logging.WARNING,
    "HandoverRefused": logging.WARNING,
    "BecameIneligible": logging.WARNING,
    "StoreLost": logging.WARNING,
    "FenceRequested": logging.WARNING,
    "FenceFailed": logging.WARNING,
    "FailsafeHeld": logging.WARNING,
    "DemotionFailed": logging.ERROR,
    "GroupNameClashed": logging.ERROR,
    "ClaimVanished": logging.ERROR,
    "ClockUnsound": logging.ERROR,
    "RecordUnreadable": logging.ERROR,
    "AgentNameTaken": logging.ERROR,
    "LeaseOrphaned": logging.ERROR,
    "ReloadRefused": logging.ERROR,
    "GuardianMissing": logging.ERROR,
    # what happens for single calls, and so may happen very often
    "AttemptFailed": logging.DEBUG,
    "CallRefused": logging.DEBUG,
    "CallTimedOut": logging.DEBUG,
    "DeadlinePassed": logging.DEBUG,
    "FallbackUsed": logging.DEBUG,
    "FaultInjectedInCall": logging.DEBUG,
    "HedgeStarted": logging.DEBUG,
    "HedgeWon": logging.DEBUG,
    "LimitChanged": logging.DEBUG,
}
"""The level of each fact; those that are not named here are told at INFO."""


class LogFacts:
    """Writes each fact as one log record: `FACTS.subscribe(LogFacts())`.

    The message is a JSON object on one line: `fact`, `guard` if it has one, `at_s`, and the fact's own values. Handlers
    that make something else of it find the same as a dictionary in the record's attribute `bascule`.

    Args:
        logger: Where to; by default the logger `bascule.facts`.
        levels: Levels by the names of facts; they go before `LEVELS`.
    """

    def __init__(self, logger: logging.Logger | None = None, levels: Mapping[str, int] | None = None) -> None:
        self._logger = logger if logger is not None else logging.getLogger(LOGGER)
        self._levels = {**LEVELS, **(levels or {})}

    def __call__(self, fact: Fact) -> None:
        """Hear a fact."""
        name = name_of(fact)
        level = self._levels.get(name, logging.INFO)
        if not self._logger.isEnabledFor(level):
            return
        guard = guard_of(fact)
        told = {"fact": name, **({"guard": guard} if guard else {}), "at_s": round(fact.at_s, 6), **values_of(fact)}
        self._logger.log(level, "%s", json.dumps(told, ensure_ascii=False), extra={"bascule": told})
