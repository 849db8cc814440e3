"""A middleware for any ASGI application: it sheds load, and keeps to the time that callers still wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from time import monotonic
from typing import Any

from bascule.guard.cache import Cache
from bascule.guard.deadline import ENDS_S, HEADER, Deadline, from_headers, remaining_s
from bascule.guard.errors import CallRefusedError, DeadlineExceededError
from bascule.guard.facts import DeadlinePassed
from bascule.guard.fallback import Fallback
from bascule.guard.guard import Guard
from bascule.guard.hedge import Hedge
from bascule.guard.inject.policies import InjectCorruption, InjectResult
from bascule.guard.policy import Home, Policy
from bascule.guard.retry import Retry
from bascule.guard.timeout import AdaptiveTimeout, Timeout
from bascule.kernel.errors import InputError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_TWICE = "a request that is served cannot be served a second time"
_OWN = "what was sent cannot be replaced"
_TIME = "give default_s and most_s, which answer 504"
REFUSED: dict[type[Policy[Any]], str] = {
    Retry: _TWICE, Hedge: _TWICE, Fallback: _OWN, Cache: _OWN, Deadline: _TIME, Timeout: _TIME, AdaptiveTimeout: _TIME,
    InjectResult: _OWN, InjectCorruption: _OWN,
}  # fmt: skip
"""Policies that cannot stand around an application, and why."""

TELL_TIME = {name.encode(): name for name in (HEADER, "grpc-timeout")}
LAST = {"http.response.body", "http.response.pathsend"}
MOST_RETRY_AFTER_S = 86_400


class GuardMiddleware:
    """Answers for an application when it has too much to do, or too little time.

    What the guard refuses is answered with 503, `Retry-After` (whole seconds, at least 1) and a few words of JSON; the
    application never sees it. A deadline that the caller tells (`x-envoy-expected-rq-timeout-ms`, `grpc-timeout`) holds
    for everything that the application does, its own guarded calls included. When it passes before the response has
    begun, the caller gets 504 at once and the application is cancelled; what it still sends goes nowhere. Afterwards it
    is cancelled too, and `DeadlineExceededError` is raised for the server to break the connection: half a response must
    not look whole. Other errors of the application pass as they are, also a refusal by a guard of its own. Work that
    goes on after the response is complete has no deadline any more, but keeps its slot.

    Websockets and the lifespan pass unguarded. Nothing interrupts plain functions that a framework runs in threads;
    their callers get 504 all the same.

    Args:
        app: The application.
        guard: What may refuse a request: `Bulkhead`, `AdaptiveLimit`, `RateLimit` or a guard of several. Its functions
            (`key`) are given the scope. None to bound the time alone.
        default_s: Seconds for a request whose caller names none; None for no bound.
        most_s: Seconds at most, whatever the caller says; None for no bound.
        exempt: Paths that are never refused: `/metrics` is that path, `/health/*` every one that begins like this.
        may_shed: Says of a scope whether the request may be refused; what may not takes no slot either.
        status: Of a refusal: 503, or 429 where the guard holds each client to a rate of its own.
        name: What facts and errors call it, when there is no guard.

    Raises:
        InputError: An option is impossible, or the guard holds a policy that cannot stand around an application.
    """

    def __init__(
        self,
        app: AsgiApp,
        guard: Guard[Any] | Policy[Any] | None = None,
        *,
        default_s: float | None = None,
        most_s: float | None = 60.0,
        exempt: Collection[str] = ("/health/*",),
        may_shed: Callable[[Scope], bool] | None = None,
        status: int = 503,
        name: str = "http",
    ) -> None:
        for policy in guard.chain() if guard is not None else ():
            for kind, why in REFUSED.items():
                if isinstance(policy, kind):
                    raise InputError(f"{kind.__name__} cannot stand around an application: {why}")
        _check("default_s", default_s)
        _check("most_s", most_s)
        if default_s is not None and most_s is not None and default_s > most_s:
            raise InputError(f"GuardMiddleware.default_s: {default_s:g} must be at most most_s, which is {most_s:g}")
        if status not in {429, 503}:
            raise InputError(f"GuardMiddleware.status: {status!r} must be 503 or 429")
        self.app = app
        self.guard = guard
        self.status = status
        self.home = guard.home if guard is not None else Home(name)
        self._default_s = default_s
        self._most_s = math.inf if most_s is None else most_s
        self._exempt, self._exempt_below = _paths(exempt)
        self._may_shed = may_shed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] == "http":
            await _Serving(self, scope, receive, send).run(self._budget_s(scope))
        else:
            await self.app(scope, receive, send)

    def _budget_s(self, scope: Scope) -> float | None:
        told = {TELL_TIME[name]: value.decode("latin-1") for name, value in scope["headers"] if name in TELL_TIME}
        budget_s = from_headers(told) if told else None
        if budget_s is None:
            budget_s = self._default_s
        return None if budget_s is None else min(budget_s, self._most_s)

    def guard_for(self, scope: Scope) -> Guard[Any] | Policy[Any] | None:
        """What may refuse this request; None if nothing may."""
        path = scope["path"]
        if self.guard is None or path in self._exempt or path.startswith(self._exempt_below):
            return None
        return self.guard if self._may_shed is None or self._may_shed(scope) else None


class _Serving:
    """One request that is being served."""

    def __init__(self, middleware: GuardMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
        self._middleware = middleware
        self._scope = scope
        self._receive = receive
        self._send = send
        self._alarm: asyncio.TimerHandle | None = None
        self._answering: asyncio.Task[None] | None = None
        self._has_begun = False
        self._has_started = False
        self._is_cut = False

    async def run(self, budget_s: float | None) -> None:
        """Serve it within its time."""
        if budget_s is None:
            await self._guarded()
            return
        now_s = monotonic()
        ends_s = min(now_s + budget_s, ENDS_S.get())
        if ends_s <= now_s:
            await self._answer_late()
            return
        task = asyncio.current_task()
        assert task is not None, "an ASGI server calls applications from a task"  # noqa: S101 - a server that breaks this is no ASGI server
        token = ENDS_S.set(ends_s)
        self._alarm = asyncio.get_running_loop().call_later(ends_s - now_s, self._cut, task)
        cancelled_before = task.cancelling()
        try:
            await self._guarded()
        except GeneratorExit:  # thrown away, maybe in another context: nothing may be awaited, nor reset
            self._alarm.cancel()
            raise
        except BaseException as error:
            self._alarm.cancel()
            was_cancelled = isinstance(error, asyncio.CancelledError)
            if (task.uncancel() > cancelled_before) if self._is_cut else was_cancelled:
                raise  # somebody else cancelled it
            await self._failed(error, is_late=was_cancelled)
        else:
            self._alarm.cancel()
            if self._is_cut:  # the application caught the cancellation and came to an end of its own
                task.uncancel()
            if self._answering is not None:
                await self._answering
        finally:
            with contextlib.suppress(ValueError):  # in another context the deadline was never set
                ENDS_S.reset(token)

    async def _failed(self, error: BaseException, *, is_late: bool) -> None:
        """Answer with 504 if the application failed because the time is up; raise what else there is to raise."""
        if isinstance(error, DeadlineExceededError):
            is_late = self._is_cut or remaining_s() == 0.0
        if self._answering is not None:
            await self._answering
        elif is_late and not self._has_started:
            await self._answer_late()
        elif is_late:
            raise self._deadline_passed() from error
        if not is_late:
            raise error

    async def _guarded(self) -> None:
        guard = self._middleware.guard_for(self._scope)
        if guard is None:
            await self._serve(self._scope)
            return
        try:
            await guard.call(self._serve, self._scope)
        except CallRefusedError as error:
            if self._has_begun:  # a guard of the application's own
                raise
            await self._refuse(error.retry_after_s)

    async def _serve(self, scope: Scope) -> None:
        self._has_begun = True
        await self._middleware.app(scope, self._receive, self._pass)

    async def _pass(self, message: Message) -> None:
        if self._answering is not None:
            return
        self._has_started = True
        await self._send(message)
        if self._alarm is not None and message["type"] in LAST and not message.get("more_body", False):
            self._alarm.cancel()
            ENDS_S.set(math.inf)

    def _cut(self, task: asyncio.Task[object]) -> None:
        """The time is up. The caller is answered first: an application may take long to be cancelled."""
        self._is_cut = True
        if not self._has_started:
            self._answering = asyncio.ensure_future(self._answer_late())
        task.cancel()

    def _deadline_passed(self) -> DeadlineExceededError:
        home = self._middleware.home
        home.tell(DeadlinePassed)
        return DeadlineExceededError(home.name)

    async def _answer_late(self) -> None:
        self._deadline_passed()
        await self._answer(504, {"error": "the time for this request is used up"})

    async def _refuse(self, retry_after_s: float | None) -> None:
        if self._answering is not None:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        wait_s = max(1, math.ceil(min(retry_after_s or 1.0, MOST_RETRY_AFTER_S)))
        words = {"error": "too many requests at the moment", "retry_after_s": wait_s}
        await self._answer(self._middleware.status, words, (b"retry-after", str(wait_s).encode()))

    async def _answer(self, status: int, words: Mapping[str, object], *more: tuple[bytes, bytes]) -> None:
        body = json.dumps(words).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *more,
        ]
        is_head = self._scope["method"] == "HEAD"
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"" if is_head else body})


def _check(name: str, value: float | None) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 < value < 1e9):
        raise InputError(f"GuardMiddleware.{name}: {value!r} must be a number of seconds above 0, or None")


def _paths(told: Collection[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Paths that are meant as they are, and what the others begin with."""
    if isinstance(told, str):
        raise InputError(f"GuardMiddleware.exempt: {told!r} must be several paths", hint="write a tuple of them")
    for path in told:
        if not path.startswith("/") or "*" in path[:-1]:
            raise InputError(
                f"GuardMiddleware.exempt: {path!r} must begin with a slash, and have a star at its end alone"
            )
    return (
        frozenset(path for path in told if not path.endswith("*")),
        tuple(path[:-1] for path in told if path.endswith("*")),
    )
