"""The probes as an ASGI application, for any ASGI server or framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from bascule.health.answer import METHODS, Answer, answer_of, check_prefix, probe_of, refusal

if TYPE_CHECKING:
    from bascule.health.health import Health

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiProbes:
    """Answers `GET` and `HEAD` of the three probes; everything else is 404 or 405.

    Args:
        health: Whom to ask.
        prefix: The path before the probe's name, when no mount point stands for it.
    """

    def __init__(self, health: Health, prefix: str = "/health") -> None:
        check_prefix(prefix)
        self._health = health
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer_with(await self._answer(scope), scope["method"], send)

    async def _answer(self, scope: Scope) -> Answer:
        mounted_at, path = scope.get("root_path", ""), scope["path"]
        # Since ASGI 3.0's clarification the path holds the mount point as well; older frameworks strip it.
        probe = probe_of(path.removeprefix(mounted_at), mounted_at, self._prefix)
        if probe is None:
            return refusal(404)
        if scope["method"] not in METHODS:
            return refusal(405)
        return answer_of(await self._health.ask_async(probe), errors=self._health.errors)


async def answer_with(answer: Answer, method: str, send: Send, *more: tuple[bytes, bytes]) -> None:
    """Send an answer; of one to `HEAD`, its headers alone."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
