"""The ASGI middleware: what is refused and how, what time an application gets, and what passes untouched."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bascule.guard import (
    FACTS,
    Bulkhead,
    CallRefusedError,
    CircuitBreaker,
    CircuitOpenError,
    Deadline,
    DeadlineExceededError,
    Guard,
    InjectResult,
    Policy,
    RateLimitedError,
    Retry,
    Timeout,
    World,
)
from bascule.guard.adaptive_limit import AdaptiveLimit
from bascule.guard.cache import Cache
from bascule.guard.deadline import remaining_s
from bascule.guard.facts import DeadlinePassed
from bascule.guard.fallback import Fallback
from bascule.guard.hedge import Hedge
from bascule.guard.http import GuardMiddleware
from bascule.guard.http.asgi import AsgiApp, Message, Receive, Scope, Send
from bascule.guard.limits import Aimd
from bascule.guard.rate_limit import RateLimit
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

TOLD = "x-envoy-expected-rq-timeout-ms"


class Sent:
    """What an application sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


async def ask(app: AsgiApp, path: str = "/", *, method: str = "GET", **headers: str) -> Sent:
    sent = Sent()
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(scope, receive, sent.send)
    return sent


async def respond(send: Send, body: bytes = b"done") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def quick(_scope: Scope, _receive: Receive, send: Send) -> None:
    await respond(send)


async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


class Held:
    """An application that answers when it is released."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.entered = asyncio.Semaphore(0)
        self.in_flight = self.most = 0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        self.entered.release()
        try:
            await self.release.wait()
            await respond(send)
        finally:
            self.in_flight -= 1


def run(scenario: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await scenario()

    return asyncio.run(main())


def test_exactly_as_many_as_the_limit_run_and_the_others_are_refused() -> None:
    async def scenario() -> None:
        held = Held()
        app = GuardMiddleware(held, Bulkhead(3))
        tasks = [asyncio.create_task(ask(app)) for _ in range(10)]
        for _ in range(3):
            await held.entered.acquire()
        done, _ = await asyncio.wait(tasks, timeout=0)
        while len(done) < 7:
            done, _ = await asyncio.wait(tasks, timeout=0.01)
        assert held.in_flight == 3
        assert {task.result().status for task in done} == {503}
        held.release.set()
        answers = await asyncio.gather(*tasks)
        assert sorted(sent.status for sent in answers) == [200] * 3 + [503] * 7
        assert held.most == 3
        assert (await ask(app)).status == 200

    run(scenario)


def test_a_refusal_is_a_503_with_retry_after_and_a_few_words() -> None:
    async def scenario() -> None:
        limit = RateLimit(1, per_s=90.0)
        app = GuardMiddleware(quick, Guard(limit, name="front", world=World.fake(FakeClock(), SeededDice(1))))
        assert (await ask(app)).status == 200
        sent = await ask(app)
        assert sent.status == 503
        assert sent.headers["retry-after"] == "90"
        assert sent.headers["content-type"] == "application/json"
        assert int(sent.headers["content-length"]) == len(sent.body)
        assert json.loads(sent.body) == {"error": "too many requests at the moment", "retry_after_s": 90}
        head = await ask(app, method="HEAD")
        assert (head.status, head.body) == (503, b"")

    run(scenario)


class Refusing(Policy[Any]):
    """Refuses every call, and says when to ask again."""

    def __init__(self, retry_after_s: float | None) -> None:
        self._error = RateLimitedError("test", retry_after_s)

    def weave(self, loom: Any, inner: list[str]) -> list[str]:
        lines: list[str] = loom.text("raise $error", inner, error=self._error)
        return lines


@pytest.mark.parametrize(
    ("retry_after_s", "told"), [(None, "1"), (0.0, "1"), (0.01, "1"), (1.2, "2"), (1e12, "86400"), (float("inf"), "1")]
)
def test_retry_after_is_a_whole_number_of_at_least_one(retry_after_s: float | None, told: str) -> None:
    sent = run(lambda: ask(GuardMiddleware(quick, Refusing(retry_after_s))))
    assert sent.headers["retry-after"] == told


def test_a_refusal_can_be_a_429() -> None:
    assert run(lambda: ask(GuardMiddleware(quick, Refusing(1.0), status=429))).status == 429


def test_a_learned_limit_sheds_load_too() -> None:
    async def scenario() -> None:
        held = Held()
        app = GuardMiddleware(held, AdaptiveLimit(Aimd(initial=1)))
        first = asyncio.create_task(ask(app))
        await held.entered.acquire()
        assert (await ask(app)).status == 503
        held.release.set()
        assert (await first).status == 200

    run(scenario)


def test_exempt_paths_and_what_may_not_be_shed_pass_a_full_guard() -> None:
    async def scenario() -> None:
        refusing = Refusing(1.0)
        app = GuardMiddleware(quick, refusing)
        assert (await ask(app, "/health/live")).status == 200
        assert (await ask(app, "/healthy")).status == 503
        app = GuardMiddleware(quick, refusing, exempt=["/metrics"], may_shed=lambda scope: scope["method"] != "POST")
        assert (await ask(app, "/metrics")).status == 200
        assert (await ask(app, "/metrics/x")).status == 503
        assert (await ask(app, "/health/live")).status == 503
        assert (await ask(app, "/pay", method="POST")).status == 200

    run(scenario)


def test_keys_are_made_of_the_scope() -> None:
    async def scenario() -> None:
        limit = RateLimit(1, per_s=60.0, key=lambda scope: scope["path"])
        app = GuardMiddleware(quick, limit)
        assert [(await ask(app, path)).status for path in ("/a", "/b", "/a")] == [200, 200, 503]

    run(scenario)


def test_the_time_that_a_caller_tells_holds_inside() -> None:
    left: list[float | None] = []

    async def look(_scope: Scope, _receive: Receive, send: Send) -> None:
        left.append(remaining_s())
        await respond(send)

    async def scenario() -> None:
        app = GuardMiddleware(look, most_s=5.0)
        for told in ({TOLD: "2000"}, {"grpc_timeout": "1S"}, {TOLD: "60000"}, {}, {TOLD: "nonsense"}):
            await ask(app, **told)
        await ask(GuardMiddleware(look, default_s=3.0))
        assert remaining_s() is None

    run(scenario)
    bounds = [2.0, 1.0, 5.0, None, None, 3.0]
    assert all(
        (one is None and bound is None) or (one is not None and bound is not None and bound - 1 < one <= bound)
        for one, bound in zip(left, bounds, strict=True)
    )


def test_a_deadline_that_has_passed_is_a_504_and_the_application_is_not_asked() -> None:
    asked: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        asked.append(scope["path"])

    sent = run(lambda: ask(GuardMiddleware(app), **{TOLD: "0"}))
    assert (sent.status, asked) == (504, [])
    assert json.loads(sent.body)["error"]


def test_an_application_that_hangs_is_cancelled_and_answered_for() -> None:
    bulkhead = Bulkhead(1)
    sent = run(lambda: ask(GuardMiddleware(hang, bulkhead), **{TOLD: "20"}))
    assert sent.status == 504
    assert bulkhead.gate().in_flight == 0


def test_the_caller_is_answered_before_the_application_has_ended() -> None:
    async def scenario() -> None:
        bulkhead = Bulkhead(1)
        release, caught = asyncio.Event(), asyncio.Event()

        async def stubborn(_scope: Scope, _receive: Receive, send: Send) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                caught.set()
                await release.wait()
            await respond(send, b"too late")

        sent = Sent()
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(TOLD.encode(), b"5")]}
        app = GuardMiddleware(stubborn, bulkhead)
        serving = asyncio.create_task(app(scope, lambda: asyncio.sleep(0, {}), sent.send))
        await caught.wait()
        done, _ = await asyncio.wait([serving], timeout=0.01)
        assert (sent.status, len(sent.messages)) == (504, 2)
        assert bulkhead.gate().in_flight == 1  # it still works
        assert not done
        release.set()
        await serving
        assert (len(sent.messages), serving.cancelling(), bulkhead.gate().in_flight) == (2, 0, 0)

    run(scenario)


def test_an_error_on_the_way_out_passes_after_the_answer() -> None:
    sent = Sent()

    async def clumsy(_scope: Scope, _receive: Receive, _send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("while it was cancelled")

    async def scenario() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(TOLD.encode(), b"5")]}
        with pytest.raises(ValueError, match="while it was cancelled"):
            await GuardMiddleware(clumsy)(scope, lambda: asyncio.sleep(0, {}), sent.send)

    run(scenario)
    assert (sent.status, len(sent.messages)) == (504, 2)


def test_a_cancellation_from_outside_is_not_taken_for_the_deadlines() -> None:
    async def scenario() -> None:
        caught = asyncio.Event()

        async def slow_to_go(_scope: Scope, _receive: Receive, _send: Send) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                caught.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(ask(GuardMiddleware(slow_to_go), **{TOLD: "5"}))
        await caught.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario)


def test_a_request_that_runs_out_of_time_in_the_queue_is_answered_once() -> None:
    async def scenario() -> None:
        held = Held()
        bulkhead = Bulkhead(1, queue=5, wait_s=60.0)
        app = GuardMiddleware(held, bulkhead)
        first = asyncio.create_task(ask(app))
        await held.entered.acquire()
        sent = await ask(app, **{TOLD: "20"})
        assert sent.status in {503, 504}
        assert len(sent.messages) == 2
        assert bulkhead.snapshot()["waiting"] == 0
        held.release.set()
        assert (await first).status == 200
        assert held.most == 1

    run(scenario)


def test_the_applications_own_deadline_error_is_a_504_when_the_requests_time_is_up() -> None:
    async def late(_scope: Scope, _receive: Receive, _send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise DeadlineExceededError("payments") from None

    async def early(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise DeadlineExceededError("payments")

    assert run(lambda: ask(GuardMiddleware(late), **{TOLD: "1"})).status == 504
    with pytest.raises(DeadlineExceededError):
        run(lambda: ask(GuardMiddleware(early), **{TOLD: "10000"}))
    with pytest.raises(DeadlineExceededError):
        run(lambda: ask(GuardMiddleware(early)))


def test_after_the_response_has_started_errors_pass() -> None:
    async def broken(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("half way")

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match="half way"):
        run(lambda: ask(GuardMiddleware(broken, Bulkhead(1)), **{TOLD: "10000"}))
    with pytest.raises(DeadlineExceededError):
        run(lambda: ask(GuardMiddleware(slow, Bulkhead(1)), **{TOLD: "20"}))


def test_a_refusal_by_a_guard_of_the_application_passes() -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise CircuitOpenError("payments", 3.0)

    with pytest.raises(CallRefusedError):
        run(lambda: ask(GuardMiddleware(app, Bulkhead(1))))
    with pytest.raises(CallRefusedError):
        run(lambda: ask(GuardMiddleware(app)))


def test_work_after_the_response_has_no_deadline_and_keeps_its_slot() -> None:
    bulkhead = Bulkhead(1)
    seen: list[object] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send)
        seen.append(remaining_s())
        later = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, later.set)  # after the deadline
        await later.wait()
        seen.append(bulkhead.gate().in_flight)

    assert run(lambda: ask(GuardMiddleware(app, bulkhead), **{TOLD: "20"})).status == 200
    assert seen == [None, 1]


def test_a_cancelled_request_stays_cancelled_and_frees_its_slot() -> None:
    bulkhead = Bulkhead(1)

    async def scenario() -> None:
        held = Held()
        task = asyncio.create_task(ask(GuardMiddleware(held, bulkhead), **{TOLD: "60000"}))
        await held.entered.acquire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario)
    assert bulkhead.gate().in_flight == 0


def test_a_request_that_is_thrown_away_ends_quietly_and_frees_its_slot() -> None:
    bulkhead = Bulkhead(1)

    async def scenario() -> Any:
        async def begin() -> Any:
            serving = ask(GuardMiddleware(hang, bulkhead), **{TOLD: "60000"})
            serving.send(None)
            return serving

        (serving,) = await asyncio.gather(begin())  # in a task of its own, and so in another context
        assert bulkhead.gate().in_flight == 1
        serving.close()

    run(scenario)
    assert bulkhead.gate().in_flight == 0


def test_websockets_and_the_lifespan_pass() -> None:
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    async def scenario() -> None:
        middleware = GuardMiddleware(app, Refusing(1.0))
        for kind in ("websocket", "lifespan"):
            await middleware({"type": kind, "path": "/"}, lambda: asyncio.sleep(0, {}), Sent().send)

    run(scenario)
    assert seen == ["websocket", "lifespan"]


def test_a_deadline_that_passed_is_told() -> None:
    heard: list[Fact] = []
    end = FACTS.subscribe(heard.append)
    try:
        run(lambda: ask(GuardMiddleware(hang, name="front"), **{TOLD: "5"}))
        assert FACTS.flush()
    finally:
        end()
    assert [fact.guard for fact in heard if isinstance(fact, DeadlinePassed)] == ["front"]


@pytest.mark.parametrize(
    "policy",
    [Retry(), Hedge(), Fallback(value=None), Cache(1.0), Deadline(1.0), Timeout(1.0), InjectResult(0.1, None)],
    ids=lambda policy: type(policy).__name__,
)
def test_policies_that_cannot_stand_around_an_application_are_refused(policy: Policy[Any]) -> None:
    with pytest.raises(InputError, match=f"{type(policy).__name__} cannot stand around an application"):
        GuardMiddleware(quick, policy)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"default_s": 0.0}, "default_s: 0.0 must be"),
        ({"most_s": -1.0}, "most_s: -1.0 must be"),
        ({"default_s": 90.0}, "default_s: 90 must be at most most_s, which is 60"),
        ({"status": 500}, "status: 500 must be"),
        ({"exempt": "/health"}, "exempt: '/health' must be several paths"),
        ({"exempt": ["health"]}, "exempt: 'health' must begin with a slash"),
        ({"exempt": ["/*/x"]}, "a star at its end alone"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        GuardMiddleware(quick, CircuitBreaker(), **options)
    assert words in str(raised.value)
