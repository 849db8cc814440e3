"""The HTTP interface: who asks, what for, and which status tells them how it went.

A client may repeat any request. 503 means: not done, or not known to be done (`undecided`): ask again later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from bascule.guard import CallRefusedError, Stale
from taskmanagerpro.answers import RETRY_AFTER, NewTask, SignIn, answer, body_of, refusal
from taskmanagerpro.database import Database, DatabaseUnavailableError, UndecidedError
from taskmanagerpro.guards import Guards
from taskmanagerpro.health import Probes
from taskmanagerpro.sessions import Sessions, SessionsUnavailableError
from taskmanagerpro.tasks import KeyReusedError, Tasks, Written

KEY_LENGTH = 200


class Api:
    """One method per route."""

    def __init__(self, tasks: Tasks, sessions: Sessions, probes: Probes) -> None:
        self._tasks = tasks
        self._sessions = sessions
        self._probes = probes
        guards = Guards()
        self._newest = guards.lists(tasks.newest)
        self._find = guards.tasks(tasks.find)

    def routes(self) -> list[Route | Mount]:
        """Every path of the interface."""
        return [
            Route("/session", self.sign_in, methods=["POST"]),
            Route("/tasks", self.create, methods=["POST"]),
            Route("/tasks", self.newest, methods=["GET"]),
            Route("/tasks/{id}", self.find, methods=["GET"]),
            Route("/tasks/{id}", self.delete, methods=["DELETE"]),
            Route("/tasks/{id}/complete", self.complete, methods=["POST"]),
            Route("/audit/tasks", self.audit, methods=["GET"]),
            Route("/health/serving", self.serving, methods=["GET"]),
            Mount("/health", self._probes.health.asgi()),
        ]

    async def sign_in(self, request: Request) -> Response:
        """`POST /session`: a token, good for an hour."""
        asked = await body_of(request, SignIn)
        return answer({"token": await self._sessions.open(asked.user)}, 201)

    async def create(self, request: Request) -> Response:
        """`POST /tasks`: a new task, or the first answer again when its `Idempotency-Key` is known."""
        owner = await self._owner(request)
        task = await body_of(request, NewTask)
        key = request.headers.get("idempotency-key")
        if key is not None and not 0 < len(key) <= KEY_LENGTH:
            raise HTTPException(422, f"an Idempotency-Key has 1 to {KEY_LENGTH} characters")
        try:
            written = await self._tasks.create(owner, title=task.title, client=task.client, number=task.number, key=key)
        except KeyReusedError as error:
            raise HTTPException(422, "this Idempotency-Key was used for another task") from error
        return acknowledgement(written, 201)

    async def complete(self, request: Request) -> Response:
        """`POST /tasks/{id}/complete`: done, however often it is asked."""
        owner = await self._owner(request)
        return acknowledgement(await self._tasks.complete(owner, task_of(request)))

    async def delete(self, request: Request) -> Response:
        """`DELETE /tasks/{id}`: gone from the lists, however often it is asked."""
        owner = await self._owner(request)
        return acknowledgement(await self._tasks.delete(owner, task_of(request)))

    async def find(self, request: Request) -> Response:
        """`GET /tasks/{id}`: one task."""
        owner = await self._owner(request)
        task = await self._find(owner, task_of(request))
        if task is None:
            raise HTTPException(404, "no such task")
        return answer(task)

    async def newest(self, request: Request) -> Response:
        """`GET /tasks?limit=`: the newest tasks; during an outage those seen last, marked as stale."""
        owner = await self._owner(request)
        seen = await self._newest(owner, limit_of(request))
        if isinstance(seen, Stale):
            return answer({"tasks": seen.value}, headers={"X-Stale": "true", "Age": str(int(seen.age_s))})
        return answer({"tasks": seen})

    async def audit(self, request: Request) -> Response:
        """`GET /audit/tasks?client=`: every number that this client stored, as the primary knows it."""
        client = request.query_params.get("client", "")
        if not client or "\x00" in client:
            raise HTTPException(422, "say whose tasks: ?client=NAME")
        return answer({"numbers": await self._tasks.numbers(client)})

    async def serving(self, _request: Request) -> Response:
        """`GET /health/serving`: send requests here; they get the best answer that there is."""
        is_serving = self._probes.is_serving
        return answer({"serving": is_serving}, 200 if is_serving else 503)

    async def _owner(self, request: Request) -> str:
        """The signed-in user.

        Raises:
            HTTPException: 401 nobody is signed in with this token.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user = await self._sessions.user_of(token) if scheme.lower() == "bearer" and token else None
        if user is None:
            raise HTTPException(401, "sign in at POST /session", {"WWW-Authenticate": "Bearer"})
        return user


def acknowledgement(written: Written | None, status: int = 200) -> Response:
    """What was written, and in its headers who took it; 404 when there was nothing to write to."""
    if written is None:
        raise HTTPException(404, "no such task")
    return answer(written.task, status, {"X-Epoch": str(written.epoch), "X-Server": written.server})


def task_of(request: Request) -> UUID:
    """The task that the path names; 404 when it cannot be one."""
    try:
        return UUID(request.path_params["id"])
    except ValueError as error:
        raise HTTPException(404, "no such task") from error


def limit_of(request: Request) -> int:
    """How many tasks are asked for; 422 when that is no number from 1 to 1000."""
    text = request.query_params.get("limit", "20")
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= 1000):
        raise HTTPException(422, "limit is a number from 1 to 1000")
    return int(text)


async def unavailable(_request: Request, error: Exception) -> Response:
    """503, and whether the request may have been carried out all the same."""
    undecided = isinstance(error, UndecidedError)
    headers = RETRY_AFTER if undecided else {**RETRY_AFTER, "X-Not-Applied": "true"}
    return answer({"error": str(error).strip(), "undecided": undecided}, 503, headers)


def application(database: Database, sessions: Sessions, probes: Probes) -> Starlette:
    """The whole application. It starts without its database, and says so at `/health`."""
    tasks = Tasks(database)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        starting = asyncio.create_task(probes.start(tasks))
        try:
            yield
        finally:
            starting.cancel()
            await asyncio.wait({starting})

    return Starlette(
        routes=Api(tasks, sessions, probes).routes(),
        lifespan=lifespan,
        exception_handlers={
            HTTPException: refusal,
            DatabaseUnavailableError: unavailable,
            UndecidedError: unavailable,
            SessionsUnavailableError: unavailable,
            CallRefusedError: unavailable,
        },
    )
