"""Signs an HTTP client in, and keeps its token."""

from __future__ import annotations

import asyncio

from bascule.kernel.errors import NotReadyError
from bascule.measure.http_wire import Answer, Wire, Wires
from bascule.measure.plan import Plan
from bascule.measure.request import Request, field_of, is_token
from bascule.system.model import Operation, Session


class Single:
    """One request whose answer is awaited."""

    def __init__(self) -> None:
        self._future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, wire: Wire, answer: Answer) -> None:
        """The answer is there."""
        wire.abort()
        if not self._future.done():
            self._future.set_result(answer)

    def cut_off(self, wire: Wire, error: str) -> None:
        """The connection broke first."""
        del wire
        if not self._future.done():
            self._future.set_exception(ConnectionError(error))

    async def answer(self) -> Answer:
        """The answer.

        Raises:
            ConnectionError: The connection broke first.
        """
        return await self._future


async def ask(wires: Wires, text: bytes) -> Answer:
    """Send one request on a connection of its own, and wait for the whole answer.

    Raises:
        OSError: There was no connection, or it broke.
    """
    wire = await wires.connect()
    try:
        single = Single()
        wire.send(text, single, wants_body=True)
        return await single.answer()
    finally:
        wire.abort()


class SignIn:
    """The session of one client.

    Attributes:
        token: For `Authorization: Bearer`; empty before the first sign-in.
    """

    def __init__(self, plan: Plan) -> None:
        session = plan.session or Session(path="/")
        self.token = ""
        self._field = session.token
        self._client = plan.client
        self._request = Request(
            Operation(name="sign-in", method="POST", path=session.path, body=session.body, idempotent=False)
        )

    async def renew(self, wires: Wires, host: str) -> None:
        """Get a new token.

        Raises:
            OSError: No connection, or it broke.
            NotReadyError: The answer holds no token.
        """
        answer = await ask(wires, self._request.text(host, {"number": 0, "client": self._client}))
        token = field_of(answer.body, self._field)
        if not 200 <= answer.status < 300 or not isinstance(token, str) or not is_token(token):
            raise NotReadyError(f"signing in was answered with HTTP {answer.status} and no {self._field!r} in it")
        self.token = token
