"""Errors say which guard, why and when to ask again, form one tree, and travel between processes."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from bascule.guard import errors
from bascule.guard.errors import (
    BulkheadFullError,
    CallRefusedError,
    CallTimeoutError,
    CircuitOpenError,
    DeadlineExceededError,
    DegradedError,
    LimitReachedError,
    RateLimitedError,
    WorkersBusyError,
)
from bascule.kernel.errors import BasculeError

REFUSALS = [
    CircuitOpenError, BulkheadFullError, LimitReachedError, RateLimitedError, WorkersBusyError, DegradedError,
]  # fmt: skip


def public(module: Any) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }


def test_the_names_are_public() -> None:
    assert public(errors) == {
        "BulkheadFullError", "CallRefusedError", "CallTimeoutError", "CircuitOpenError", "DeadlineExceededError",
        "DegradedError", "InjectedError", "LimitReachedError", "RateLimitedError", "WorkersBusyError",
    }  # fmt: skip


def test_the_tree_is_the_one_that_is_drawn() -> None:
    drawn = errors.__doc__ or ""
    assert all(name in drawn for name in public(errors))
    assert all(issubclass(kind, CallRefusedError) for kind in REFUSALS)
    assert all(issubclass(getattr(errors, name), BasculeError) for name in public(errors))
    assert issubclass(CallTimeoutError, TimeoutError)
    assert issubclass(DeadlineExceededError, TimeoutError)
    assert not issubclass(CallRefusedError, TimeoutError)


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_says_which_guard_why_and_when_to_ask_again(kind: type[CallRefusedError]) -> None:
    known, unknown, never = kind("db", 1.25), kind("db"), kind("db", float("inf"))
    assert (known.guard, known.retry_after_s) == ("db", 1.25)
    assert str(known) == f"guard 'db': {kind.what} (ask again in 1.25 s)"
    assert (unknown.retry_after_s, never.retry_after_s) == (None, None)
    assert str(unknown) == str(never) == f"guard 'db': {kind.what}"


def test_each_refusal_has_words_of_its_own() -> None:
    assert len({kind.what for kind in [CallRefusedError, *REFUSALS]}) == 7


def test_time_that_is_up_says_whose_limit_it_was() -> None:
    late = CallTimeoutError("db", 0.25)
    assert (late.guard, late.limit_s, str(late)) == ("db", 0.25, "guard 'db': no answer within 0.25 s")
    assert str(DeadlineExceededError("db")) == "guard 'db': the deadline has passed"


def pickled(error: BasculeError) -> object:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - what was pickled is our own


@pytest.mark.parametrize(
    "error", [*(kind("db", 2.0) for kind in REFUSALS), CallTimeoutError("db", 0.5), DeadlineExceededError("db")]
)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, pickled])
def test_an_error_is_the_same_after_a_journey(error: BasculeError, again: Any) -> None:
    error.add_note("on the way")
    back = again(error)
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
    assert back.args == error.args
