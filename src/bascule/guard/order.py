"""Which policy may stand around which: an order that cannot work is refused, with the reason. Pure: a table.

The order that fits most calls, outermost first: Degrade, Fallback, Cache, Deadline, Retry, Hedge, RateLimit,
CircuitBreaker, Bulkhead or AdaptiveLimit, Timeout.
"""

from __future__ import annotations

from collections.abc import Sequence

from bascule.kernel.errors import InputError

REFUSED: dict[tuple[str, str], str] = {
    (
        "Retry",
        "Fallback",
    ): "the fallback hides every error, so the retry never sees one; put the Fallback outside",
    (
        "Hedge",
        "Fallback",
    ): "the fallback answers for a failed attempt, so the hedge takes a failure for the first answer; put the "
    "Fallback outside of the Hedge",
    (
        "CircuitBreaker",
        "Fallback",
    ): "the fallback hides every error, so the circuit never opens; put the Fallback outside",
    (
        "AdaptiveLimit",
        "Fallback",
    ): "the fallback hides every error, so the limit never learns of one; put the Fallback outside",
    (
        "Retry",
        "Deadline",
    ): "each attempt would get a deadline of its own, so the whole would have none; put the Deadline outside, and a "
    "Timeout inside for each attempt",
    ("Hedge", "Deadline"): "each attempt would get a deadline of its own; put the Deadline outside of the Hedge",
    ("Retry", "Degrade"): "a feature that is switched off would be tried again; put the Degrade outside of the Retry",
    ("Retry", "Cache"): "callers that share one call would each try it again; put the Cache outside of the Retry",
    (
        "CircuitBreaker",
        "Cache",
    ): "answers from the cache would count as successes of the dependency; put the Cache outside",
    ("Bulkhead", "Cache"): "answers from the cache would take slots; put the Cache outside of the Bulkhead",
    (
        "AdaptiveLimit",
        "Cache",
    ): "answers from the cache would take slots, and teach the limit that the dependency is quick; put the Cache "
    "outside of the AdaptiveLimit",
    (
        "CircuitBreaker",
        "Degrade",
    ): "a feature that is switched off says nothing about the dependency; put the Degrade outside",
}
"""(outer, inner): why that order is refused."""

ONCE = {"Deadline", "CircuitBreaker", "Cache", "Degrade", "AdaptiveLimit", "Hedge"}
"""Policies of which one chain holds one at most."""


def check(names: Sequence[str], limits_s: Sequence[float | None]) -> None:
    """Hold a chain to the table.

    Args:
        names: The policies, outermost first.
        limits_s: For each: how long it lets a call run, in seconds, or None if it does not say.

    Raises:
        InputError: The order cannot work; the message says why, and what would.
    """
    for outer, name in enumerate(names):
        for inner in range(outer + 1, len(names)):
            reason = REFUSED.get((name, names[inner]))
            if reason:
                raise InputError(f"{name} stands outside of {names[inner]}: {reason}")
            if name == names[inner] and name in ONCE:
                raise InputError(f"a guard holds one {name} at most", hint="make two guards, one around the other")
            longest_s, own_s = limits_s[outer], limits_s[inner]
            if longest_s is not None and own_s is not None and own_s > longest_s:
                raise InputError(
                    f"{names[inner]} of {own_s:g} s inside of {name} of {longest_s:g} s would never end a call",
                    hint="a limit inside must be the shorter one",
                )
    _check_timeouts(names)


def _check_timeouts(names: Sequence[str]) -> None:
    """A circuit breaker must see the timeouts of its dependency."""
    limits = ("Timeout", "AdaptiveTimeout")
    if "CircuitBreaker" not in names:
        return
    place = names.index("CircuitBreaker")
    outside = [name for name in names[:place] if name in limits]
    sees_them = any(name in limits for name in names[place:]) or "Deadline" in names  # a deadline ends the call itself
    if outside and not sees_them:
        raise InputError(
            f"{outside[-1]} stands outside of CircuitBreaker: a call that it ends is neither success nor failure to "
            "the circuit, which then never opens for a dependency that hangs",
            hint="put a Timeout inside of the CircuitBreaker",
        )
