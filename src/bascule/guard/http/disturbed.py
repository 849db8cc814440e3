"""Transports of httpx that err on purpose while an experiment is on, and what servers and networks do wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import httpx

from bascule.guard.checks import number, refuse
from bascule.guard.guard import Guard
from bascule.guard.http.wrapping import AsyncWrapping, Wrapping
from bascule.guard.inject.corruptions import garble
from bascule.guard.inject.disturbances import MOST_S, Experiment
from bascule.guard.inject.policies import Args, Injection, Kwargs, plain_or_none
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Policy
from bascule.guard.stream import FACTS, Stream
from bascule.guard.world import REAL, World
from bascule.kernel.errors import InputError


@dataclass(eq=False)
class InjectStatus(Injection):
    """A request is not sent, and answered with this status.

    Attributes:
        status: From 200 to 599.
        headers: Of the response, such as `Retry-After`.
        content: The body.
    """

    status: int = 503
    _: KW_ONLY
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""

    def check_fault(self) -> None:
        """Hold the status to be one of a response."""
        given: object = self.status
        if isinstance(given, bool) or not isinstance(given, int) or not 200 <= given <= 599:
            raise refuse(self, "status", given, "a status from 200 to 599")

    def answer(self, args: Args, kwargs: Kwargs) -> httpx.Response | None:
        """A new response; None for a request that is spared."""
        if self.strike(args, kwargs) is None:
            return None
        return httpx.Response(self.status, headers=dict(self.headers), content=self.content)

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """A response in place of the sending."""
        return loom.text(
            "result = $answer(args, kwargs) if $switch.is_armed else None\nif result is None:\n    $inner",
            inner,
            switch=self.disturbances,
            answer=self.answer,
        )


class _BodyInjection(Injection):
    """What happens to the body of a response while it is read."""

    def part(self, content: bytes) -> bytes:
        """A part of the body as the reader gets it."""
        return content

    def pause_before_s(self, experiment: Experiment) -> float:
        """Seconds before each part."""
        return 0.0

    def spoilt(self, response: httpx.Response, args: Args, kwargs: Kwargs) -> httpx.Response:
        """The response, with a body that is spoilt as it is read; as it was for a request that is spared."""
        experiment = self.strike(args, kwargs)
        if experiment is None:
            return response
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_Spoilt(response.stream, self, experiment),
            extensions=response.extensions,
        )

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """A look at the response."""
        return loom.text(
            "$inner\nif $switch.is_armed:\n    result = $spoilt(result, args, kwargs)",
            inner,
            switch=self.disturbances,
            spoilt=self.spoilt,
        )


@dataclass(eq=False)
class InjectBody(_BodyInjection):
    """A request is sent, and the body of its response is damaged as it is read; status and headers stay.

    Attributes:
        corrupt: Makes a damaged part of each part of the body, as it comes from the network: possibly compressed.
    """

    corrupt: Callable[[bytes], bytes] = garble

    def check_fault(self) -> None:
        """Hold the corruption to be a plain function."""
        if self.corrupt is None:
            raise refuse(self, "corrupt", self.corrupt, "a function of bytes")
        plain_or_none(self, "corrupt")

    def part(self, content: bytes) -> bytes:
        """Damaged."""
        return self.corrupt(content)


@dataclass(eq=False)
class InjectSlowBody(_BodyInjection):
    """A request is sent, and the body of its response trickles, for no longer than the experiment lasts.

    Attributes:
        pause_s: Seconds before each part of the body, at most 3600.
    """

    pause_s: float = 1.0

    def check_fault(self) -> None:
        """Hold the pause to be a time."""
        number(self, "pause_s", most=MOST_S)

    def pause_before_s(self, experiment: Experiment) -> float:
        """The pause, while the experiment is on."""
        return max(0.0, min(self.pause_s, experiment.left_s())) if experiment.is_on else 0.0


class _Spoilt(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that is spoilt as it is read, for plain and asyncio clients."""

    def __init__(
        self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, injection: _BodyInjection, experiment: Experiment
    ) -> None:
        self._stream: Any = stream
        self._injection = injection
        self._experiment = experiment

    def __iter__(self) -> Iterator[bytes]:
        for content in self._stream:
            pause_s = self._injection.pause_before_s(self._experiment)
            if pause_s > 0.0:
                self._injection.home.world.sleep(pause_s)
            yield self._injection.part(content)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for content in self._stream:
            pause_s = self._injection.pause_before_s(self._experiment)
            if pause_s > 0.0:
                await self._injection.home.world.sleep_async(pause_s)
            yield self._injection.part(content)

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _guard(injections: tuple[Injection, ...], name: str, world: World, facts: Stream) -> Guard[Any]:
    for one in injections:
        if not isinstance(one, Injection):
            raise InputError(f"{one!r} injects nothing", hint="give it to the guard of a GuardedTransport")
    return Guard(*injections, name=name, world=world, facts=facts)


class DisturbedTransport(Wrapping):
    """Sends each request, and errs as its injections say while an experiment of its name is on.

        client = httpx.Client(transport=GuardedTransport(guard, DisturbedTransport(InjectStatus(0.2))))

    What is injected is to everything around it as if the server or the network had done it: an injected status counts
    as a failure, and is repeated and refused as a real one. Functions of the injections have the `httpx.Request` as
    their only argument, so `key=by_host` lets an experiment strike one server alone.

    Args:
        injections: `InjectStatus`, `InjectBody`, `InjectSlowBody`, `InjectLatency`, and `InjectError`, for one with
            `httpx.ConnectError`.
        transport: What sends; by default a new `httpx.HTTPTransport`. It is closed with this one.
        name: By which experiments are switched on.
        world: Time, luck and waiting.
        facts: Where its facts go.

    Raises:
        InputError: There is no injection, or something that is none.
    """

    def __init__(
        self,
        *injections: Injection,
        transport: httpx.BaseTransport | None = None,
        name: str = "http",
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        super().__init__(transport)
        self._send = _guard(injections, name, world, facts).guarded(self._pass_on)

    def _pass_on(self, request: httpx.Request) -> httpx.Response:
        return self._transport.handle_request(request)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response to a request, or what is injected."""
        response: httpx.Response = self._send(request)
        return response


class AsyncDisturbedTransport(AsyncWrapping):
    """As `DisturbedTransport`, for `httpx.AsyncClient` on asyncio.

    Args:
        injections: As there.
        transport: What sends; by default a new `httpx.AsyncHTTPTransport`. It is closed with this one.
        name: By which experiments are switched on.
        world: Time, luck and waiting.
        facts: Where its facts go.

    Raises:
        InputError: There is no injection, or something that is none.
    """

    def __init__(
        self,
        *injections: Injection,
        transport: httpx.AsyncBaseTransport | None = None,
        name: str = "http",
        world: World = REAL,
        facts: Stream = FACTS,
    ) -> None:
        super().__init__(transport)
        self._send = _guard(injections, name, world, facts).guarded(self._pass_on)

    async def _pass_on(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response to a request, or what is injected."""
        response: httpx.Response = await self._send(request)
        return response
