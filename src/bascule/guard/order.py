"""Which policy may stand around which: an order that cannot work is refused, with the reason. Pure: a table.

The order that fits most calls, outermost first: Degrade, Fallback, Cache, Deadline, Retry, Hedge, RateLimit,
CircuitBreaker, Bulkhead or AdaptiveLimit, Timeout.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bascule.kernel.errors import InputError

REFUSED: dict[tuple[str, str], str] = {(outer, inner): why for outer, inner, why in (
    ("Retry", "Fallback", "the fallback hides every error, so the retry never sees one; put the Fallback outside"),
    ("Hedge", "Fallback", "its answer for a failed attempt would win the race; put the Fallback outside"),
    ("CircuitBreaker", "Fallback", "it hides every error, so the circuit never opens; put the Fallback outside"),
    ("AdaptiveLimit", "Fallback", "it hides every error, so the limit never learns of one; put the Fallback outside"),
    ("Cache", "Fallback", "what stands in for an answer would be kept as one; put the Fallback outside"),
    ("Retry", "Deadline", "each attempt would get a deadline of its own; put the Deadline outside, a Timeout inside"),
    ("Hedge", "Deadline", "each attempt would get a deadline of its own; put the Deadline outside"),
    ("Retry", "Degrade", "a feature that is switched off would be tried again; put the Degrade outside"),
    ("CircuitBreaker", "Degrade", "a switched-off feature says nothing of the dependency; put the Degrade outside"),
    ("Retry", "Cache", "callers that share one call would each try it again; put the Cache outside"),
    ("RateLimit", "Cache", "answers from the cache would count as calls; put the Cache outside"),
    ("CircuitBreaker", "Cache", "answers from the cache would count as successes; put the Cache outside"),
    ("Bulkhead", "Cache", "answers from the cache would take slots; put the Cache outside"),
    ("AdaptiveLimit", "Cache", "answers from the cache would take slots, and look quick; put the Cache outside"),
)}  # fmt: skip
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
    _check_injections(names)
    for name, fate in MUST_SEE_TIMEOUTS.items():
        _check_timeouts(names, name, fate)


MUST_SEE_TIMEOUTS = {
    "CircuitBreaker": "is neither success nor failure to the circuit, which then never opens for what hangs",
    "AdaptiveLimit": "teaches the limit nothing, which then never shrinks for what hangs",
}
"""What becomes of a call that a time limit outside of a policy has ended."""


def _check_timeouts(names: Sequence[str], learner: str, fate: str) -> None:
    limits = ("Timeout", "AdaptiveTimeout")
    if learner not in names:
        return
    place = names.index(learner)
    outside = [name for name in names[:place] if name in limits]
    sees_them = any(name in limits for name in names[place:]) or "Deadline" in names  # a deadline ends the call itself
    if outside and not sees_them:
        raise InputError(
            f"{outside[-1]} stands outside of {learner}: a call that it ends {fate}",
            hint=f"put a Timeout inside of the {learner}",
        )


def _check_injections(names: Sequence[str]) -> None:
    """Let an injection stand for the dependency alone: a policy inside of it would never meet what it injects."""
    for name, inner in pairwise(names):
        if name == "Injection" and inner != "Injection":
            raise InputError(
                f"an injection stands outside of {inner}, which would not meet what it injects",
                hint="put injections innermost",
            )
