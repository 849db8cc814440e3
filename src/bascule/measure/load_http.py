"""Offers the mix of a workload over HTTP, without one operation ever waiting for another."""

from __future__ import annotations

import asyncio
import contextlib
import time

from bascule.kernel.errors import NotReadyError
from bascule.measure.flight import BACKOFF_S, Flight, refuse_at_the_limit
from bascule.measure.http_wire import Answer, Wire, Wires
from bascule.measure.ledger import Ledger
from bascule.measure.plan import Plan
from bascule.measure.request import Request, field_of, meaning
from bascule.measure.route import Route
from bascule.measure.schedule import Mix, in_flight_bound
from bascule.measure.sign_in import SignIn

_CONNECT_S = 2.0


class _Call(Flight):
    """An HTTP request on its way."""

    __slots__ = ("connecting", "load", "request", "values", "was_unauthorised", "wire")

    def __init__(self, load: HttpLoad, request: Request, values: dict[str, object], number: int, due_s: float) -> None:
        plan = load.plan
        super().__init__(
            number=number,
            operation=request.operation.name,
            writes=request.operation.writes,
            due_s=due_s,
            deadline_s=due_s + plan.deadline_s,
            resends=plan.retries,
        )
        self.load = load
        self.request = request
        self.values = values
        self.wire: Wire | None = None
        self.connecting: asyncio.Task[None] | None = None
        self.was_unauthorised = False

    def answered(self, wire: Wire, answer: Answer) -> None:
        """The answer is there."""
        self.wire = None
        self.load.answered(self, wire, answer)

    def cut_off(self, wire: Wire, error: str) -> None:
        """The connection broke after the request was written: a write may have happened."""
        del wire
        self.wire = None
        self.load.broke(self, error, undecided=self.writes)


class HttpLoad:
    """Carries operations out over HTTP/1.1 with its own connections, one request at a time on each."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.plan = plan
        self._ledger = ledger
        self._requests = [Request(operation) for operation in plan.operations]
        self._mix = Mix([operation.weight for operation in plan.operations], plan.seed)
        self._first_capturing = next((r for r in self._requests if r.operation.capture), self._requests[0])
        self._captured: dict[str, object] = {}
        self._route = Route(len(plan.targets))
        self._wires = [Wires(place, to.address, to.port) for place, to in enumerate(plan.targets)]
        self._hosts = [f"{to.address}:{to.port}" for to in plan.targets]
        self._names = [str(to) for to in plan.targets]
        self._limit = in_flight_bound(plan.rate_per_s, plan.deadline_s)
        self._sign_in = SignIn(plan) if plan.session else None
        self._unauthorised: list[_Call] = []
        self._signing: asyncio.Task[None] | None = None
        self._calls: set[_Call] = set()

    async def ready(self) -> None:
        """Return once a target accepts a connection and, where sessions are used, the client is signed in.

        Raises:
            NotReadyError: Not within the plan's limit.
        """
        until_s = time.monotonic() + self.plan.ready_limit_s
        error = "no target tried"
        while time.monotonic() < until_s:
            place = self._route.choose(time.monotonic())
            try:
                async with asyncio.timeout(_CONNECT_S):
                    if self._sign_in is None:
                        wire = await self._wires[place].connect()
                        self._wires[place].give(wire, time.monotonic())
                        return
                    await self._sign_in.renew(self._wires[place], self._hosts[place])
                    return
            except (OSError, NotReadyError) as failure:
                error = f"{self._names[place]}: {str(failure) or 'no answer'}"
                self._route.leave(place, time.monotonic())
            await asyncio.sleep(0.1)
        raise NotReadyError(f"client {self.plan.client} reached no target: {error}")

    def offer(self, index: int, due_s: float) -> None:
        """Start operation `index`."""
        number = self.plan.number_base + index
        request = self._requests[self._mix.kind(index)]
        if not request.needs <= self._captured.keys():
            request = self._first_capturing
        ledger = self._ledger
        if ledger.in_flight >= self._limit:
            kind = request.operation
            now_s = time.monotonic()
            refuse_at_the_limit(
                ledger, number=number, operation=kind.name, writes=kind.writes, due_s=due_s, now_s=now_s
            )
            return
        values: dict[str, object] = {"number": number, "client": self.plan.client}
        for name in request.needs:
            values[name] = self._captured.get(name, "")
        ledger.in_flight += 1
        call = _Call(self, request, values, number, due_s)
        self._calls.add(call)
        self._attempt(call)

    def _attempt(self, call: _Call) -> None:
        now_s = time.monotonic()
        patience_s = call.patience_s(now_s)
        if patience_s <= 0:
            call.error = call.error or "never sent: the deadline had passed"
            self._give_up(call)
            return
        place = call.place = self._route.choose(now_s)
        loop = asyncio.get_running_loop()
        call.timer = loop.call_later(patience_s, self._expired, call)
        wire = self._wires[place].take(now_s)
        if wire is not None:
            self._send(call, wire)
        else:
            call.connecting = loop.create_task(self._connect(call, place))

    async def _connect(self, call: _Call, place: int) -> None:
        try:
            wire = await self._wires[place].connect()
        except OSError as error:
            call.connecting = None
            self._route.leave(place, time.monotonic())
            self._wires[place].clear()
            self.broke(call, f"no connection: {error.strerror or error}", undecided=False)
            return
        call.connecting = None
        if not wire.open:
            self.broke(call, "no connection: closed at once", undecided=False)
            return
        self._send(call, wire)

    def _send(self, call: _Call, wire: Wire) -> None:
        token = self._sign_in.token if self._sign_in else ""
        text = call.request.text(self._hosts[wire.place], call.values, token)
        call.wire = wire
        call.sent(time.monotonic())
        wire.send(text, call, wants_body=bool(call.request.operation.capture))

    def _expired(self, call: _Call) -> None:
        call.timer = None
        self._route.leave(call.place, time.monotonic())
        self._wires[call.place].clear()
        if call.wire is not None:
            call.wire.abort()
            call.wire = None
            self.broke(call, "timed out", undecided=True)
            return
        if call.connecting is not None:
            call.connecting.cancel()
            call.connecting = None
        self.broke(call, "no connection: timed out", undecided=False)

    def answered(self, call: _Call, wire: Wire, answer: Answer) -> None:
        """Judge an answer, and free its connection."""
        now_s = time.monotonic()
        self._wires[wire.place].give(wire, now_s)
        operation = call.request.operation
        reply = meaning(
            answer.status,
            writes=operation.writes,
            not_applied=answer.not_applied,
            signed_in=self._sign_in is not None and not call.was_unauthorised,
        )
        if reply == "acknowledged":
            for name, field in operation.capture.items():
                found = field_of(answer.body, field)
                if found is not None:
                    self._captured[name] = found
            self._calls.discard(call)
            call.acknowledge(self._ledger, now_s, self._names[wire.place], epoch=answer.epoch, server=answer.server)
        elif reply == "unauthorised":
            self._sign_in_again(call)
        else:
            self.broke(call, f"HTTP {answer.status}", undecided=reply == "undecided")

    def broke(self, call: _Call, error: str, *, undecided: bool) -> None:
        """End an attempt without an acknowledgement: try again if it may, else give up."""
        call.stop_timer()
        call.failed_attempt(error, undecided=undecided)
        now_s = time.monotonic()
        if call.resends <= 0 or now_s >= call.deadline_s:
            self._give_up(call)
            return
        call.resends -= 1
        if self._route.choose(now_s) != call.place:
            self._attempt(call)
            return
        delay_s = min(BACKOFF_S, (call.deadline_s - now_s) / 2)
        call.timer = asyncio.get_running_loop().call_later(delay_s, self._attempt, call)

    def _give_up(self, call: _Call) -> None:
        self._calls.discard(call)
        call.give_up(self._ledger, time.monotonic(), self._names[call.place])

    def _sign_in_again(self, call: _Call) -> None:
        call.was_unauthorised = True
        call.stop_timer()
        self._unauthorised.append(call)
        call.failed_attempt("HTTP 401", undecided=False)
        left_s = max(0.0, call.deadline_s - time.monotonic())
        call.timer = asyncio.get_running_loop().call_later(left_s, self._give_up, call)
        if self._signing is None:
            self._signing = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        place = self._route.choose(time.monotonic())
        error = ""
        try:
            async with asyncio.timeout(self.plan.deadline_s):
                if self._sign_in is not None:
                    await self._sign_in.renew(self._wires[place], self._hosts[place])
        except (OSError, NotReadyError) as failure:
            error = f"cannot sign in: {str(failure) or 'timed out'}"
        self._signing = None
        waiting, self._unauthorised = self._unauthorised, []
        for call in waiting:
            if call.over:
                continue
            call.stop_timer()
            if error:
                self.broke(call, error, undecided=False)
            else:
                self._attempt(call)

    async def close(self) -> None:
        """Give up what is left, and close every connection."""
        tasks = [call.connecting for call in self._calls if call.connecting is not None]
        tasks += [self._signing] if self._signing is not None else []
        for call in tuple(self._calls):
            call.failed_attempt("the client stopped", undecided=call.wire is not None)
            if call.wire is not None:
                call.wire.abort()
            self._give_up(call)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        for wires in self._wires:
            wires.clear()
