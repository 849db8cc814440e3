"""The HTTP load against servers that answer, refuse, hang, reset, lie and come back: each fate told apart."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bascule.kernel.errors import NotReadyError
from bascule.measure.final_audit import audit
from bascule.measure.ledger import Ledger
from bascule.measure.load_http import HttpLoad
from bascule.measure.open_loop import OpenLoop
from bascule.measure.plan import Plan, Target
from bascule.measure.records import Record, read
from bascule.system.model import Operation, Session

pytestmark = [pytest.mark.real, pytest.mark.alone]

CREATE = Operation(name="create", method="POST", path="/tasks", body='{"n": {number}}', writes=True)
READ = Operation(name="read", method="GET", path="/tasks")

Answering = Callable[["Asked"], Awaitable[bytes | None]]


class Asked:
    """A request as the server got it."""

    def __init__(self, head: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        lines = head.split("\r\n")
        self.method, self.path, _ = lines[0].split(" ")
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:] if line)}
        self.body = body
        self.writer = writer


def answer(status: int = 200, body: bytes = b"{}", /, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Server:
    """An HTTP server that answers as a test says; None as an answer resets the connection."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.asked: list[Asked] = []
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
        except asyncio.CancelledError:
            pass  # the streams of Python 3.11 report a cancelled handler as an error
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(x.split(":")[1]) for x in head.split("\r\n") if x.lower().startswith("content-length")), 0)
        asked = Asked(head.strip(), await reader.readexactly(length), writer)
        self.asked.append(asked)
        reply = await self.answering(asked)
        if reply is None:
            return False
        writer.write(reply)
        await writer.drain()
        return True


@contextlib.asynccontextmanager
async def serving(*answerings: Answering) -> AsyncIterator[tuple[Server, ...]]:
    servers = tuple(Server(answering) for answering in answerings)
    for server in servers:
        await server.start()
    try:
        yield servers
    finally:
        for server in servers:
            await server.stop()


def plan_for(folder: Path, servers: tuple[Server, ...], **changes: Any) -> Plan:
    plan = Plan(
        client="outside",
        protocol="http",
        targets=tuple(Target(address="127.0.0.1", port=server.port, name=f"t{n}") for n, server in enumerate(servers)),
        rate_per_s=100.0,
        deadline_s=5.0,
        records=str(folder / "records.jsonl"),
        status=str(folder / "status.json"),
        operations=(CREATE,),
        count=5,
        number_base=100,
        ready_limit_s=5.0,
    )
    return msgspec.structs.replace(plan, **changes)


async def offered(plan: Plan, meanwhile: Awaitable[None] | None = None) -> list[Record]:
    """Run the whole plan and give its records, by number."""
    ledger = Ledger(plan)
    load = HttpLoad(plan, ledger)
    aside = asyncio.ensure_future(meanwhile) if meanwhile is not None else None
    try:
        await OpenLoop(plan, load, ledger).run()
    finally:
        await load.close()
        ledger.close()
        if aside is not None:
            await aside
    assert ledger.in_flight == 0
    return sorted(read(Path(plan.records)), key=lambda record: record.number)


async def fine(_asked: Asked) -> bytes:
    return answer()


async def hang(_asked: Asked) -> bytes:
    await asyncio.Event().wait()
    return answer()


async def reset(_asked: Asked) -> None:
    return None


def status(code: int, **headers: str) -> Answering:
    async def answering(_asked: Asked) -> bytes:
        return answer(code, **headers)

    return answering


def test_an_acknowledgement_says_who_gave_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(status(201, X_Epoch="7", X_Server="10.0.0.1:5432")) as servers:
            records = await offered(plan_for(tmp_path, servers, count=20))
            assert [record.number for record in records] == list(range(100, 120))
            assert {(r.outcome, r.epoch, r.server, r.target, r.attempts) for r in records} == {
                ("good", 7, "10.0.0.1:5432", "t0", 1)
            }
            assert all(record.due_s <= record.sent_s <= record.done_s for record in records)
            assert [json.loads(asked.body)["n"] for asked in servers[0].asked] == list(range(100, 120))
            assert servers[0].asked[0].headers["idempotency-key"] == "outside-100"
            assert servers[0].connections < 20, "connections are kept alive"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answering", "operation", "outcome", "error"),
    [
        (hang, CREATE, "unknown", "timed out"),
        (hang, READ, "unknown", "timed out"),
        (reset, CREATE, "unknown", "connection"),
        (reset, READ, "failed", "connection"),
        (status(503), CREATE, "unknown", "HTTP 503"),
        (status(503), READ, "failed", "HTTP 503"),
        (status(503, X_Not_Applied="true"), CREATE, "failed", "HTTP 503"),
        (status(404), CREATE, "failed", "HTTP 404"),
        (status(401), CREATE, "failed", "HTTP 401"),
    ],
)
def test_each_fate_is_told_apart(
    tmp_path: Path, answering: Answering, operation: Operation, outcome: str, error: str
) -> None:
    async def scenario() -> None:
        async with serving(answering) as servers:
            plan = plan_for(tmp_path, servers, operations=(operation,), deadline_s=1.0)
            records = await offered(plan)
        assert len(records) == 5
        assert {record.outcome for record in records} == {outcome}
        assert all(error in record.error for record in records)
        assert all(record.attempts == 1 for record in records)

    asyncio.run(scenario())


def test_a_timeout_comes_at_the_deadline_counted_from_the_due_time_and_closes_the_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(hang) as servers:
            records = await offered(plan_for(tmp_path, servers, deadline_s=1.0))
            assert all(record.latency_s >= 0.99 for record in records)
            assert servers[0].connections >= 5, "a connection that timed out is never used again"

    asyncio.run(scenario())


def test_a_refused_connection_is_a_failure_that_was_never_sent(tmp_path: Path) -> None:
    async def scenario() -> None:
        busy = asyncio.Event()

        async def rousing(_asked: Asked) -> bytes:
            busy.set()
            return answer()

        async with serving(rousing) as servers:
            server = servers[0]

            async def leave_soon() -> None:
                await busy.wait()
                await server.stop()

            records = await offered(plan_for(tmp_path, servers, count=40), leave_soon())
            await server.start()
        refused = [record for record in records if record.error.startswith("no connection")]
        assert refused
        assert all((r.outcome, r.sent_s, r.attempts) == ("failed", 0.0, 0) for r in refused)

    asyncio.run(scenario())


def test_answers_that_are_not_http_are_undecided(tmp_path: Path) -> None:
    async def nonsense(_asked: Asked) -> bytes:
        return b"220 mail.example ESMTP\r\n"

    async def scenario() -> None:
        async with serving(nonsense) as servers:
            records = await offered(plan_for(tmp_path, servers, count=2))
        assert {record.outcome for record in records} == {"unknown"}
        assert "not HTTP" in records[0].error

    asyncio.run(scenario())


def test_half_an_answer_is_no_acknowledgement(tmp_path: Path) -> None:
    async def half(asked: Asked) -> None:
        asked.writer.write(answer(200, b"x" * 100)[:-50])
        await asked.writer.drain()

    async def scenario() -> None:
        async with serving(half) as servers:
            records = await offered(plan_for(tmp_path, servers, count=3))
        assert {record.outcome for record in records} == {"unknown"}

    asyncio.run(scenario())


def test_an_interim_answer_is_not_the_answer(tmp_path: Path) -> None:
    async def patient(asked: Asked) -> bytes:
        asked.writer.write(b"HTTP/1.1 103 Early Hints\r\nX-Epoch: 9\r\n\r\n")
        return answer(200, X_Epoch="1")

    async def scenario() -> None:
        async with serving(patient) as servers:
            records = await offered(plan_for(tmp_path, servers))
        assert {(record.outcome, record.epoch) for record in records} == {("good", 1)}

    asyncio.run(scenario())


def test_a_server_that_closes_after_each_answer_makes_nothing_bad(tmp_path: Path) -> None:
    async def closing(asked: Asked) -> None:
        asked.writer.write(answer(200, Connection="close"))
        await asked.writer.drain()

    async def scenario() -> None:
        async with serving(closing) as servers:
            records = await offered(plan_for(tmp_path, servers, count=30))
        assert {record.outcome for record in records} == {"good"}

    asyncio.run(scenario())


def test_the_client_leaves_a_target_that_hangs_and_stays_with_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(hang, fine) as servers:
            records = await offered(plan_for(tmp_path, servers, count=250, deadline_s=1.0))
        assert {(record.target, record.outcome) for record in records} == {("t0", "unknown"), ("t1", "good")}
        targets = [record.target for record in records]
        assert targets == sorted(targets), "never back to the one that hangs"

    asyncio.run(scenario())


def test_a_pinned_client_never_leaves(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(hang) as servers:
            records = await offered(
                plan_for(tmp_path, servers, count=100, deadline_s=1.0, pinned=True, rate_per_s=50.0)
            )
        assert {(record.target, record.outcome) for record in records} == {("t0", "unknown")}

    asyncio.run(scenario())


def test_retries_turn_a_passing_failure_good_and_are_counted(tmp_path: Path) -> None:
    failing = iter([True])

    async def once(_asked: Asked) -> bytes:
        return answer(503) if next(failing, False) else answer()

    async def scenario() -> None:
        async with serving(once) as servers:
            records = await offered(plan_for(tmp_path, servers, retries=2))
        assert {record.outcome for record in records} == {"good"}
        assert sorted(record.attempts for record in records) == [1, 1, 1, 1, 2]

    asyncio.run(scenario())


def test_a_client_that_retries_without_idempotency_leaves_duplicates_behind(tmp_path: Path) -> None:
    stored: list[int] = []

    async def forgetful(asked: Asked) -> bytes | None:
        """Stores each write, and loses the first answer to every second one."""
        if asked.method == "GET":
            return answer(200, json.dumps({"numbers": stored}).encode())
        number = json.loads(asked.body)["n"]
        stored.append(number)
        return None if number % 2 and stored.count(number) == 1 else answer()

    async def scenario() -> None:
        bare = msgspec.structs.replace(CREATE, idempotent=False)
        async with serving(forgetful) as servers:
            plan = plan_for(tmp_path, servers, count=10, retries=1, operations=(bare,), audit="/audit?client={client}")
            records = await offered(plan)
            found = await audit(plan)
            assert servers[0].asked[-1].path == "/audit?client=outside"
        assert {record.outcome for record in records} == {"good"}
        assert found.copies == {number: 1 + number % 2 for number in range(100, 110)}

    asyncio.run(scenario())


def test_captured_values_reach_later_operations(tmp_path: Path) -> None:
    async def tasks(asked: Asked) -> bytes:
        return answer(201, b'{"id": "a/1"}') if asked.method == "POST" else answer()

    async def scenario() -> None:
        create = msgspec.structs.replace(CREATE, capture={"task": "id"}, weight=1.0)
        done = Operation(name="done", method="POST", path="/tasks/{task}/done", weight=9.0)
        async with serving(tasks) as servers:
            records = await offered(plan_for(tmp_path, servers, operations=(done, create), count=50))
            paths = [asked.path for asked in servers[0].asked]
        assert paths[0] == "/tasks", "before anything was captured the capturing operation goes first"
        assert "/tasks/a%2F1/done" in paths
        assert {record.outcome for record in records} == {"good"}
        assert {record.operation for record in records} == {"create", "done"}

    asyncio.run(scenario())


def test_a_lost_session_is_signed_in_again_and_costs_no_operation(tmp_path: Path) -> None:
    valid: list[str] = []

    async def guarded(asked: Asked) -> bytes:
        if asked.path == "/session":
            valid.append(f"token{len(valid)}")
            return answer(200, json.dumps({"token": valid[-1]}).encode())
        if len(valid) == 1 and asked.body == b'{"n": 110}':
            valid.append("forgotten")
        return answer() if asked.headers.get("authorization") == f"Bearer {valid[-1]}" else answer(401)

    async def scenario() -> None:
        async with serving(guarded) as servers:
            plan = plan_for(tmp_path, servers, count=30, session=Session(path="/session"))
            records = await offered(plan)
        assert {record.outcome for record in records} == {"good"}
        assert len(valid) == 3, "signed in at the start and once more"
        assert max(record.attempts for record in records) == 2

    asyncio.run(scenario())


def test_a_client_that_cannot_sign_in_says_why_and_offers_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(status(500)) as servers:
            plan = plan_for(tmp_path, servers, session=Session(path="/session"), ready_limit_s=0.3)
            with pytest.raises(NotReadyError, match="HTTP 500"):
                await offered(plan)
        assert list(read(tmp_path / "records.jsonl")) == []

    asyncio.run(scenario())


def test_beyond_the_limit_in_flight_an_operation_fails_and_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(fine) as servers:
            plan = plan_for(tmp_path, servers)
            ledger = Ledger(plan)
            load = HttpLoad(plan, ledger)
            ledger.in_flight = 10_000
            load.offer(0, 1.0)
            ledger.in_flight = 0
            await load.close()
            ledger.close()
        (record,) = read(tmp_path / "records.jsonl")
        assert (record.outcome, record.error, record.attempts) == ("failed", "client limit", 0)

    asyncio.run(scenario())


def test_an_audit_insists_until_the_system_answers(tmp_path: Path) -> None:
    tries: list[str] = []

    async def slow_to_recover(asked: Asked) -> bytes | None:
        tries.append(asked.path)
        if len(tries) < 3:
            return answer(503) if len(tries) == 1 else None
        return answer(200, b'{"numbers": [{"client": "outside", "number": 100}, {"client": "pinned", "number": 101}]}')

    async def scenario() -> None:
        async with serving(slow_to_recover) as servers:
            plan = plan_for(tmp_path, servers, audit="/audit")
            assert (await audit(plan)).copies == {100: 1}
            hopeless = msgspec.structs.replace(plan, audit="", ready_limit_s=0.1)
            with pytest.raises(NotReadyError, match="no audit path"):
                await audit(hopeless)

    asyncio.run(scenario())
