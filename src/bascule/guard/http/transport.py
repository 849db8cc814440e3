"""Transports of httpx that guard every request, for plain clients and for those of asyncio."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from typing import Any

import httpx

from bascule.guard.cache import Cache
from bascule.guard.deadline import remaining_s, to_headers
from bascule.guard.errors import DeadlineExceededError
from bascule.guard.facts import DeadlinePassed
from bascule.guard.fallback import Fallback
from bascule.guard.guard import Guard
from bascule.guard.hedge import Hedge
from bascule.guard.http.responses import Responses
from bascule.guard.http.wrapping import AsyncWrapping, Wrapping
from bascule.guard.policy import Policy
from bascule.guard.retry import Retry
from bascule.kernel.errors import InputError

Guarded = Guard[Any] | Policy[Any]
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be sent again. Source: RFC 9110, section 9.2.2."""

FAILURE_STATUSES = frozenset({429, 502, 503, 504})
"""Too many requests, bad gateway, unavailable, gateway timeout: another attempt, or less load, may help."""

LEAST_S = 0.001
BROKEN = (httpx.HTTPError, httpx.StreamError, OSError)


class FailedStatusError(httpx.HTTPStatusError):
    """A response whose status counts as a failure, as the policies of the guard see it.

    It never leaves the transport: when the guard gives up, the caller gets the response. It is an `httpx.HTTPError`,
    so `Retry(on=httpx.HTTPError)` means failed statuses and broken connections alike, and its `response` tells
    `Retry-After`.
    """


def is_idempotent(request: httpx.Request) -> bool:
    """Whether a request may be sent twice: its method says so, or it carries an `Idempotency-Key`."""
    return request.method in IDEMPOTENT or "Idempotency-Key" in request.headers


class _Rules:
    """What is decided about a request and its response, alike for plain and asyncio transports."""

    def __init__(
        self,
        guard: Guarded,
        failure_statuses: Collection[int],
        may_repeat: Callable[[httpx.Request], bool],
        *,
        export_deadline: bool,
        read_body: bool,
    ) -> None:
        if not isinstance(guard, Guard | Policy):
            raise InputError(f"{guard!r} is no guard", hint="give a Guard(...) or a policy such as Retry(3)")
        for policy in guard.chain():
            _refuse_shared(policy)
        for status in failure_statuses:
            if not _is_status(status):
                raise InputError(f"failure_statuses: {status!r} must be a status from 100 to 599")
        self._home = guard.home
        self._guard = guard
        self._once = _without_repeats(guard)
        self._failures = frozenset(failure_statuses)
        self._may_repeat = may_repeat
        self._exports = export_deadline
        self._reads_body = read_body
        self._is_race = any(isinstance(policy, Hedge) for policy in guard.chain())

    def guard_for(self, request: httpx.Request) -> tuple[Guarded | None, bool]:
        """The guard, and whether it lets attempts race.

        Without what repeats a request, if this one must not be repeated; None if that leaves nothing.
        """
        # Any other stream is used up when it was sent, or cannot be known not to be.
        is_repeatable = isinstance(request.stream, httpx.ByteStream) and self._may_repeat(request)
        return (self._guard, self._is_race) if is_repeatable else (self._once, False)

    def request_to_send(self, request: httpx.Request) -> httpx.Request:
        """The request of one attempt: with the time that is left as a header and as a bound on every wait of httpx.

        Raises:
            DeadlineExceededError: There is none left.
        """
        left_s = remaining_s()
        if left_s is None:
            return request
        if left_s <= 0.0:
            raise self.deadline_passed()
        told = request.extensions.get("timeout", {})
        bounds = {
            name: left_s if told.get(name) is None else min(told[name], left_s)
            for name in ("connect", "read", "write", "pool")
        }
        headers = httpx.Headers(request.headers)
        if self._exports:
            headers.update(to_headers())
        return httpx.Request(  # a copy: attempts may run beside each other, and the caller's own must stay as it was
            request.method,
            request.url,
            headers=headers,
            stream=request.stream,
            extensions={**request.extensions, "timeout": {name: max(s, LEAST_S) for name, s in bounds.items()}},
        )

    def reads(self, response: httpx.Response, *, race: bool) -> bool:
        """Whether the body is read at once.

        Of a race, the body of a failed response: nobody knows which of them will be given to the caller, and until then
        each would hold a connection.
        """
        return self._reads_body or (race and response.status_code in self._failures)

    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return remaining_s() == 0.0

    def deadline_passed(self) -> DeadlineExceededError:
        """Tell that the time is up; gives the error to be raised."""
        self._home.tell(DeadlinePassed)
        return DeadlineExceededError(self._home.name)

    def check(self, response: httpx.Response, request: httpx.Request) -> None:
        """Let a good response pass.

        Raises:
            FailedStatusError: Its status counts as a failure.
        """
        if response.status_code in self._failures:
            raise FailedStatusError(f"status {response.status_code}", request=request, response=response)


def _is_status(value: object) -> bool:
    return isinstance(value, int) and 100 <= value <= 599


def _refuse_shared(policy: Policy[Any]) -> None:
    """Refuse what would give one response to several callers, since its body can be read once."""
    kind = policy.kind if isinstance(policy, Fallback) else ""
    if isinstance(policy, Cache) or kind in {"stale", "value"}:
        raise InputError(
            f"{type(policy).__name__} would give one response to several callers, and its body can be read once",
            hint="keep what you make of a response, or use Fallback(function=...) to make a new one each time",
        )


def _without_repeats(guard: Guarded) -> Guarded | None:
    rest = [policy for policy in guard.chain() if not isinstance(policy, Retry | Hedge)]
    if len(rest) == len(guard.chain()):
        return guard
    home = guard.home
    return Guard(*rest, name=home.name, world=home.world, facts=home.facts) if rest else None


def _usable(result: object) -> httpx.Response:
    if not isinstance(result, httpx.Response):
        raise InputError(
            f"a guarded transport was given {type(result).__name__} in place of a response",
            hint="let the Fallback give an httpx.Response",
        )
    return result


def _with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    return httpx.Response(
        response.status_code,
        headers=response.headers,
        stream=httpx.ByteStream(body),
        extensions=response.extensions,
    )


class GuardedTransport(Wrapping):
    """Sends each request through a guard: `httpx.Client(transport=GuardedTransport(guard))`.

    A response whose status is a failure counts as an error to every policy, and its `Retry-After` is honoured by
    `Retry`. When the guard gives up on such a response, the caller gets it, as an ordinary response. What was thrown
    away on the way is closed unread. Errors of httpx pass, and so do those of the guard: `CallRefusedError` (nothing
    was sent), `CallTimeoutError` and `DeadlineExceededError`, none of which is an `httpx.HTTPError`.

    What may not be sent twice passes through the same policies without `Retry` and `Hedge`: by default any method that
    is not idempotent, unless it carries an `Idempotency-Key`, and always a streamed body (also `files=`), unless
    `request.read()` has loaded it.

    A running deadline goes out as a header, and bounds each wait of httpx for the network. The guarded function has
    the `httpx.Request` as its only argument, so `CircuitBreaker(key=by_host)` has a circuit for each server.

    The guard covers a request until the headers of its response are there. A body that is read later is the reader's
    own, unless `read_body` is set.

    Args:
        guard: A guard, or one policy.
        transport: What sends; by default a new `httpx.HTTPTransport`. It is closed with this one.
        failure_statuses: Statuses that count as failures, each from 100 to 599.
        may_repeat: Says of a request whether it may be sent twice.
        export_deadline: Whether servers are told the time that is left.
        read_body: Whether the body is read inside of the guard, so that retries and time limits cover it too. It is
            then held in memory, also by `client.stream()`.

    Raises:
        InputError: `guard` is none, a status is impossible, or a policy would share one response between callers
            (`Cache`, `Fallback` with a value or stale results).
    """

    def __init__(
        self,
        guard: Guarded,
        transport: httpx.BaseTransport | None = None,
        *,
        failure_statuses: Collection[int] = FAILURE_STATUSES,
        may_repeat: Callable[[httpx.Request], bool] = is_idempotent,
        export_deadline: bool = True,
        read_body: bool = False,
    ) -> None:
        self._rules = _Rules(guard, failure_statuses, may_repeat, export_deadline=export_deadline, read_body=read_body)
        super().__init__(transport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response to a request, by way of the guard."""
        return _Exchange(self._rules, self._transport, request).run()


class _Exchange:
    """One request with all its attempts."""

    def __init__(self, rules: _Rules, transport: httpx.BaseTransport, request: httpx.Request) -> None:
        self._rules = rules
        self._transport = transport
        self._request = request
        self._guard, self._is_race = rules.guard_for(request)
        self._responses: Responses[httpx.Response] = Responses(race=self._is_race)

    def run(self) -> httpx.Response:
        """The response that the caller gets; every other one is closed by then, or when it comes."""
        guard, request = self._guard, self._request
        kept: httpx.Response | None = None
        try:
            kept = _usable(self._attempt(request) if guard is None else guard.call(self._attempt, request))
        except FailedStatusError as error:
            kept = error.response
        finally:
            _close(self._responses.over(kept))
        return kept

    def _attempt(self, request: httpx.Request) -> httpx.Response:
        passed = self._responses.begin()
        if passed is None:
            raise httpx.TransportError("the call was over before this attempt began")
        _close(passed)
        response = self._send(self._rules.request_to_send(request))
        self._rules.check(response, request)
        return response

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._transport.handle_request(request)
            if self._rules.reads(response, race=self._is_race):
                with contextlib.closing(response):
                    assert isinstance(response.stream, httpx.SyncByteStream), "a plain transport gives plain streams"  # noqa: S101 - states what httpx ensures
                    return _with_body(response, b"".join(response.stream))
        except httpx.TimeoutException as error:
            if self._rules.is_late():
                raise self._rules.deadline_passed() from error
            raise
        if not self._responses.arrived(response):
            _close([response])
        return response


def _close(responses: list[httpx.Response]) -> None:
    for response in responses:
        with contextlib.suppress(*BROKEN):  # it is thrown away; a connection that breaks now is gone all the same
            response.close()


class AsyncGuardedTransport(AsyncWrapping):
    """As `GuardedTransport`, for `httpx.AsyncClient` on asyncio: time limits cancel a request that is under way.

    Args:
        guard: A guard, or one policy.
        transport: What sends; by default a new `httpx.AsyncHTTPTransport`. It is closed with this one.
        failure_statuses: Statuses that count as failures, each from 100 to 599.
        may_repeat: Says of a request whether it may be sent twice.
        export_deadline: Whether servers are told the time that is left.
        read_body: Whether the body is read inside of the guard.

    Raises:
        InputError: As `GuardedTransport`.
    """

    def __init__(
        self,
        guard: Guarded,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        failure_statuses: Collection[int] = FAILURE_STATUSES,
        may_repeat: Callable[[httpx.Request], bool] = is_idempotent,
        export_deadline: bool = True,
        read_body: bool = False,
    ) -> None:
        self._rules = _Rules(guard, failure_statuses, may_repeat, export_deadline=export_deadline, read_body=read_body)
        super().__init__(transport)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response to a request, by way of the guard."""
        return await _AsyncExchange(self._rules, self._transport, request).run()


class _AsyncExchange:
    """One request with all its attempts."""

    def __init__(self, rules: _Rules, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        self._rules = rules
        self._transport = transport
        self._request = request
        self._guard, self._is_race = rules.guard_for(request)
        self._responses: Responses[httpx.Response] = Responses(race=self._is_race)

    async def run(self) -> httpx.Response:
        """The response that the caller gets; every other one is closed by then."""
        guard, request = self._guard, self._request
        kept: httpx.Response | None = None
        try:
            kept = _usable(await self._attempt(request) if guard is None else await guard.call(self._attempt, request))
        except FailedStatusError as error:
            kept = error.response
        finally:
            await self._end(kept)
        return kept

    async def _end(self, kept: httpx.Response | None) -> None:
        try:
            await _aclose(self._responses.over(kept))
        except BaseException:  # cancelled: then the caller gets nothing, and cannot close it
            if kept is not None:
                await _aclose([kept])
            raise

    async def _attempt(self, request: httpx.Request) -> httpx.Response:
        passed = self._responses.begin()
        if passed is None:
            raise httpx.TransportError("the call was over before this attempt began")
        await _aclose(passed)
        response = await self._send(self._rules.request_to_send(request))
        self._rules.check(response, request)
        return response

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await self._transport.handle_async_request(request)
            if self._rules.reads(response, race=self._is_race):
                try:
                    assert isinstance(response.stream, httpx.AsyncByteStream), "an async transport gives async streams"  # noqa: S101 - states what httpx ensures
                    return _with_body(response, b"".join([part async for part in response.stream]))
                finally:
                    await response.aclose()
        except httpx.TimeoutException as error:
            if self._rules.is_late():
                raise self._rules.deadline_passed() from error
            raise
        if not self._responses.arrived(response):
            await _aclose([response])
        return response


async def _aclose(responses: list[httpx.Response]) -> None:
    for number, response in enumerate(responses, 1):
        try:
            await response.aclose()
        except BROKEN:
            continue  # it is thrown away; a connection that breaks now is gone all the same
        except BaseException:
            await _aclose(responses[number:])
            raise
