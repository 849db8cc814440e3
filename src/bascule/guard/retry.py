"""Trying again what failed for the moment, without making an outage worse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Never, Self

from bascule.guard.backoff import Backoff, Exponential
from bascule.guard.checks import Kinds, callable_or_none, error_kinds, flag, refuse, seconds, whole
from bascule.guard.deadline import time_left_s
from bascule.guard.errors import CallRefusedError
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Policy
from bascule.guard.retry_after import retry_after_of
from bascule.guard.retry_budget import RetryBudget
from bascule.guard.shapes import NotGuardableError

GIVE_UP = -1.0
MOST_NOTES = 3


@dataclass(eq=False)
class Retry(Policy[Never]):
    """A call that fails is made again, at most `attempts` times in all, and the last error is raised as it was.

    Only errors under `Exception` are ever tried again: cancellation, Ctrl-C and the end of the program pass, whatever
    `on` says. A refused call (an open circuit, a full bulkhead) is tried again only if `on` names that error or one
    under `CallRefusedError`, or is a function that says so. No wait is begun that would end after the running
    deadline. A stream is tried again only before its first item.

    Attributes:
        attempts: Calls in all, the first one included; at least 1.
        backoff: How long to wait before each further attempt.
        on: Exception types, or a function that says of an error whether it may pass by itself.
        on_result: Says of a result whether it is as bad as an error. The last such result is returned.
        first_immediate: Whether the first retry comes without a wait.
        retry_after_cap_s: An error's `Retry-After` (of httpx, requests, aiohttp, urllib or our own) makes the wait at
            least as long, but at most this many seconds; None to leave it unread.
        budget: Bounds retries as a share of all calls; None for no bound. One budget may be shared by several retries.
    """

    attempts: int = 3
    _: KW_ONLY
    backoff: Backoff = field(default_factory=Exponential)
    on: Kinds | Callable[[Exception], bool] = Exception
    on_result: Callable[[Any], bool] | None = None
    first_immediate: bool = False
    retry_after_cap_s: float | None = 60.0
    budget: RetryBudget | None = field(default_factory=RetryBudget)

    refused_block: ClassVar[str] = "a block cannot be run again; write `for attempt in retry: with attempt:`"
    woven_options: ClassVar[frozenset[str]] = frozenset({"on_result", "budget"})

    def __post_init__(self) -> None:
        whole(self, "attempts", least=1)
        error_kinds(self, "on")
        callable_or_none(self, "on_result")
        flag(self, "first_immediate")
        seconds(self, "retry_after_cap_s", above=False, optional=True)
        if not isinstance(self.backoff, Backoff):
            raise refuse(self, "backoff", self.backoff, "a backoff such as Fixed(1.0) or Exponential(0.1)")
        if self.budget is not None and not isinstance(self.budget, RetryBudget):
            raise refuse(self, "budget", self.budget, "a RetryBudget or None")
        self._retried = 0
        self._given_up = 0
        self._refusals = _refusals_in(self.on)

    def reconfigured(self) -> None:
        """Look again which errors are meant."""
        self._refusals = _refusals_in(self.on)

    def after_error(self, attempt: int, last_wait_s: float, error: Exception) -> float:
        """Seconds to wait before the next attempt, or `GIVE_UP` when there is none."""
        if not self._is_wanted(error):
            return GIVE_UP
        return self._next(attempt, last_wait_s, error)

    def after_result(self, attempt: int, last_wait_s: float) -> float:
        """The same for a result that is as bad as an error."""
        return self._next(attempt, last_wait_s, None)

    def _is_wanted(self, error: Exception) -> bool:
        on = self.on
        if isinstance(error, NotGuardableError):
            return False
        if not isinstance(on, type | tuple):
            return bool(on(error))
        return isinstance(error, self._refusals if isinstance(error, CallRefusedError) else on)

    def _next(self, attempt: int, last_wait_s: float, error: Exception | None) -> float:
        if attempt >= self.attempts:
            return self._give_up(attempt, "attempts", error)
        world = self.home.world
        wait_s = 0.0
        if attempt > 1 or not self.first_immediate:
            wait_s = max(0.0, self.backoff.wait_s(attempt, last_wait_s, world.uniform))
        if self.retry_after_cap_s is not None and error is not None:
            asked_s = retry_after_of(error, world.wall_s())
            if asked_s is not None:
                wait_s = max(wait_s, min(asked_s, self.retry_after_cap_s))
        if wait_s >= time_left_s(world.now_s()):
            return self._give_up(attempt, "deadline", error)
        if self.budget is not None and not self.budget.withdraw():
            return self._give_up(attempt, "budget", error)
        self._retried += 1
        self.home.tell("AttemptFailed", attempt=attempt, wait_s=wait_s, error=_words(error))
        return wait_s

    def _give_up(self, attempt: int, reason: str, error: Exception | None) -> float:
        self._given_up += 1
        self.home.tell("RetriesGivenUp", attempts=attempt, reason=reason, error=_words(error))
        if error is not None:
            _note(error, f"bascule: given up after {attempt} of {self.attempts} attempts ({reason})")
        return GIVE_UP

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """A loop around the attempts."""
        count = "if $retry.budget.is_short:\n    $retry.budget.deposit()\n" if self.budget is not None else ""
        once = "        if started:\n            raise\n" if loom.shape.is_stream else ""
        check = (
            f"        if {'started or ' if loom.shape.is_stream else ''}not $unwanted(result):\n            break\n"
            "        $wait_s = $after_result($attempt, $wait_s)\n        if $wait_s < 0.0:\n            break\n"
            if self.on_result is not None
            else "        break\n"
        )
        text = (
            f"{count}$attempt = 1\n$wait_s = 0.0\nwhile True:\n    try:\n        $inner\n"
            f"    except Exception as $error:\n{once}"
            "        $wait_s = $after_error($attempt, $wait_s, $error)\n        if $wait_s < 0.0:\n            raise\n"
            f"    else:\n{check}    ${{await}}$sleep($wait_s)\n    $attempt += 1\n"
        )
        world = self.home.world
        values: dict[str, object] = {
            "after_error": self.after_error,
            "sleep": world.sleep_async if loom.is_async else world.sleep,
        }
        if self.budget is not None:
            values["retry"] = self
        if self.on_result is not None:
            values |= {"unwanted": self._is_unwanted, "after_result": self.after_result}
        return loom.text(text, inner, **values)

    def _is_unwanted(self, result: object) -> bool:
        return self.on_result is not None and bool(self.on_result(result))

    def __iter__(self) -> Iterator[Attempt]:
        """The attempts of one piece of work that is no function: `for attempt in retry: with attempt: ...`.

        A block has no result, so `on_result` has no say here.
        """
        return iter(Attempts(self))

    def __aiter__(self) -> AsyncIterator[Attempt]:
        """The same in a coroutine: `async for attempt in retry: with attempt: ...`."""
        return aiter(Attempts(self))

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        shown: dict[str, object] = {"attempts": self.attempts, "retried": self._retried, "given_up": self._given_up}
        return shown if self.budget is None else {**shown, "budget": self.budget.snapshot()}


class Attempts:
    """The attempts of one piece of work; they end when one succeeds, or when the retry gives up."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._wait_s = 0.0
        self._number = 0
        self._is_over = False
        if retry.budget is not None and retry.budget.is_short:
            retry.budget.deposit()

    def __iter__(self) -> Iterator[Attempt]:
        """The attempts, with the waits between them."""
        while (attempt := self._begin()) is not None:
            yield attempt
            self._check(attempt)
            if not self._is_over:
                self._retry.home.world.sleep(self._wait_s)

    async def __aiter__(self) -> AsyncIterator[Attempt]:
        """The attempts, with the waits between them."""
        while (attempt := self._begin()) is not None:
            yield attempt
            self._check(attempt)
            if not self._is_over:
                await self._retry.home.world.sleep_async(self._wait_s)

    def _begin(self) -> Attempt | None:
        if self._is_over:
            return None
        self._number += 1
        return Attempt(self, self._number)

    def _check(self, attempt: Attempt) -> None:
        if not attempt.is_done:
            raise RuntimeError("an attempt is the block of a with statement: `with attempt:`")

    def ended(self, error: BaseException | None) -> bool:
        """Take note of how an attempt went; True when its error is dealt with by another attempt."""
        if isinstance(error, Exception):
            self._wait_s = self._retry.after_error(self._number, self._wait_s, error)
            self._is_over = self._wait_s < 0
        else:
            self._is_over = True
        return not self._is_over


class Attempt:
    """One attempt, as the block of a `with` statement.

    Attributes:
        number: Counts from 1.
        is_done: Whether the block was left.
    """

    def __init__(self, attempts: Attempts, number: int) -> None:
        self._attempts = attempts
        self.number = number
        self.is_done = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """End; an error that is tried again goes no further."""
        self.is_done = True
        return self._attempts.ended(error)


def _refusals_in(on: object) -> tuple[type[CallRefusedError], ...]:
    kinds = on if isinstance(on, tuple) else (on,)
    return tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, CallRefusedError))


def _note(error: Exception, text: str) -> None:
    """Add a note, unless there are several: one error may be raised many times."""
    try:
        if len(getattr(error, "__notes__", ())) < MOST_NOTES:
            error.add_note(text)
    except Exception:  # noqa: BLE001 - a frozen error, for one, takes no note, and must be raised all the same
        return


def _words(error: Exception | None) -> str:
    """What a fact says of an error: its type alone, since its text may hold what was sent."""
    return "result" if error is None else type(error).__name__
