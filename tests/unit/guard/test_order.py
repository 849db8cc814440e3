"""An order of policies that cannot work is refused with the reason, and every order that fits is accepted."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bascule.guard import (
    AdaptiveLimit,
    AdaptiveTimeout,
    Bulkhead,
    Cache,
    CircuitBreaker,
    Deadline,
    Degrade,
    Fallback,
    Guard,
    Hedge,
    Level,
    Policy,
    RateLimit,
    Retry,
    ServiceLevels,
    Timeout,
)
from bascule.guard.order import ONCE, REFUSED
from bascule.kernel.errors import InputError

LEVELS = ServiceLevels(Level("low", ("x",), lambda: False))
MAKE: dict[str, Any] = {
    "Degrade": lambda: Degrade(LEVELS, "x"),
    "Fallback": lambda: Fallback(value=None),
    "Cache": lambda: Cache(1.0),
    "Deadline": lambda: Deadline(10.0),
    "Retry": Retry,
    "Hedge": Hedge,
    "RateLimit": lambda: RateLimit(10),
    "CircuitBreaker": CircuitBreaker,
    "Bulkhead": lambda: Bulkhead(10),
    "AdaptiveLimit": AdaptiveLimit,
    "Timeout": lambda: Timeout(1.0),
    "AdaptiveTimeout": AdaptiveTimeout,
}
DEFAULT = list(MAKE)
PAIRS = list(itertools.permutations(MAKE, 2))


def guard(*names: str) -> Guard[Any]:
    policies: list[Policy[Any]] = [MAKE[name]() for name in names]
    return Guard(*policies)


def test_the_table_speaks_of_policies_that_there_are() -> None:
    assert {name for pair in REFUSED for name in pair} <= set(MAKE)
    assert set(MAKE) >= ONCE


@pytest.mark.parametrize(("outer", "inner"), list(REFUSED))
def test_each_refused_order_is_refused_with_its_reason_and_the_opposite_is_accepted(outer: str, inner: str) -> None:
    with pytest.raises(InputError) as refused:
        guard(outer, inner)
    assert str(refused.value) == f"{outer} stands outside of {inner}: {REFUSED[outer, inner]}"
    assert "put the" in REFUSED[outer, inner], "it says what to do"
    assert guard(inner, outer).call(lambda: 5) == 5


@pytest.mark.parametrize("outer", ["Bulkhead", "AdaptiveLimit"])
def test_answers_from_a_cache_take_no_slots(outer: str) -> None:
    with pytest.raises(InputError, match="put the Cache outside"):
        guard(outer, "Cache")


@pytest.mark.parametrize(("outer", "inner"), list(REFUSED))
def test_a_refused_order_is_refused_whatever_stands_between(outer: str, inner: str) -> None:
    with pytest.raises(InputError, match="stands outside of"):
        guard(outer, "RateLimit", inner)


def is_known(outer: str, inner: str) -> bool:
    """Whether this pair is refused for what it is."""
    late = outer in {"Timeout", "AdaptiveTimeout"} and inner in {"CircuitBreaker", "AdaptiveLimit"}
    longer = (outer, inner) == ("Timeout", "Deadline")
    return (outer, inner) in REFUSED or late or longer


@pytest.mark.parametrize(("outer", "inner"), [pair for pair in PAIRS if not is_known(*pair)])
def test_every_other_pair_is_accepted(outer: str, inner: str) -> None:
    assert guard(outer, inner).call(lambda: 5) == 5


@pytest.mark.parametrize(("outer", "inner"), list(itertools.combinations(DEFAULT, 2)))
def test_of_two_policies_the_default_order_is_accepted(outer: str, inner: str) -> None:
    guard(outer, inner)


def test_the_whole_default_order_is_accepted() -> None:
    for left_out in ("Bulkhead", "AdaptiveLimit"):
        names = [name for name in DEFAULT if name != left_out]
        made = guard(*names)
        assert repr(made) == f"<Guard 'guard': {' > '.join(names)}>"
        assert made.call(lambda: 5) == 5


@pytest.mark.parametrize("name", sorted(MAKE))
def test_what_a_chain_can_hold_only_once_is_refused_twice(name: str) -> None:
    if name in ONCE:
        with pytest.raises(InputError, match=f"a guard holds one {name} at most .*make two guards"):
            guard(name, name)
    else:
        assert guard(name, name).call(lambda: 5) == 5


def test_a_fallback_that_hides_not_every_error_may_stand_inside() -> None:
    inside: list[Fallback[Any]] = [Fallback(value=None, on=KeyError), Fallback(stale_s=5.0)]
    for fallback in inside:
        assert Guard(Retry(2), CircuitBreaker(), fallback).call(lambda: 5) == 5


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (Deadline(1.0), Timeout(1.5)),
        (Timeout(1.0), Timeout(1.5)),
        (Timeout(1.0), Deadline(1.5)),
    ],
)
def test_a_limit_longer_than_the_one_around_it_is_refused(outer: Any, inner: Any) -> None:
    words = rf"{type(inner).__name__} of 1.5 s inside of {type(outer).__name__} of 1 s would never end a call"
    with pytest.raises(InputError, match=words):
        Guard(outer, inner)
    with pytest.raises(InputError, match=words):
        Guard(outer, Bulkhead(1), inner)


def test_limits_that_are_equal_or_shorter_inside_are_accepted() -> None:
    for outer, inner in [(2.0, 2.0), (2.0, 0.1)]:
        assert Guard(Deadline(outer), Retry(2), Timeout(inner)).call(lambda: 5) == 5


@pytest.mark.parametrize("learner", ["CircuitBreaker", "AdaptiveLimit"])
@pytest.mark.parametrize("name", ["Timeout", "AdaptiveTimeout"])
def test_what_learns_of_calls_must_see_the_timeouts_of_its_dependency(name: str, learner: str) -> None:
    with pytest.raises(InputError, match=f"{name} stands outside of {learner}: .*put a Timeout inside"):
        guard(name, learner)
    accepted = [
        (name, learner, name),
        (learner, name),
        ("Deadline", name, learner),
        (name, "Retry"),
    ]
    for names in accepted:
        assert guard(*names).call(lambda: 5) == 5
