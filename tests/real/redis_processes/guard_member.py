"""One process that shares a circuit and a limit with others, told what to do line by line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable

from bascule.guard import (
    FACTS,
    CallRefusedError,
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Guard,
    RateLimit,
    RateLimitedError,
)
from bascule.guard.shared import RedisCircuits, RedisRates

LIMIT = RateLimit(20, 1.0)
REFRESH_S = 0.05


class Member:
    def __init__(self, url: str, credit: int | None) -> None:
        self.told: list[str] = []
        FACTS.subscribe(lambda fact: self.told.append(type(fact).__name__))
        self.is_down = False
        self.breaker = CircuitBreaker(window=Consecutive(1), open_s=600.0, open_most_s=600.0, half_open_probes=1)
        guard = Guard(self.breaker, name="pay")
        self.guarded, self.guarded_async = guard(self._call), guard(self._call_async)
        self.circuits = RedisCircuits(url, refresh_s=REFRESH_S, timeout_s=0.3)
        self.circuits.share(self.breaker)
        self.rates = RedisRates(url, refresh_s=REFRESH_S, timeout_s=0.3, credit=credit)
        self.limit = RateLimit(LIMIT.limit, LIMIT.per_s, shared=self.rates)
        self.limited = Guard(self.limit, name="api")(time.monotonic)
        self.times: list[float] = []
        self.attempts = 0
        self.is_over = threading.Event()
        self.flooding: threading.Thread | None = None

    def _call(self) -> str:
        if self.is_down:
            raise ConnectionError
        return "answer"

    async def _call_async(self) -> str:
        return self._call()

    def fail(self) -> str:
        self.is_down = True
        with contextlib.suppress(ConnectionError, CircuitOpenError):
            self.guarded()
        self.is_down = False
        return self.state()[0]

    def call(self) -> str:
        try:
            return self.guarded()
        except CircuitOpenError:
            return "refused"

    def call_async(self) -> str:
        try:
            return asyncio.run(self.guarded_async())
        except CircuitOpenError:
            return "refused"

    def call_limited(self) -> str:
        try:
            self.limited()
        except RateLimitedError:
            return "refused"
        return "answer"

    def state(self) -> tuple[str, int]:
        circuit = self.breaker.circuit()
        return circuit.state.value, circuit.generation

    def isolate(self) -> None:
        self.breaker.isolate()

    def force_close(self) -> None:
        self.breaker.force_close()

    def facts(self) -> list[str]:
        FACTS.flush()
        return [name for name in self.told if name.startswith("Shared")]

    def is_lost(self) -> list[object]:
        return [self.circuits.snapshot()["is_lost"], self.rates.snapshot()["is_lost"]]

    def flood(self) -> None:
        self.flooding = threading.Thread(target=self._flood)
        self.flooding.start()

    def _flood(self) -> None:
        while not self.is_over.wait(0.001):
            self.attempts += 1
            with contextlib.suppress(CallRefusedError):
                self.times.append(self.limited())

    def count(self) -> list[int]:
        return [len(self.times), self.attempts]

    def stop(self) -> list[float]:
        self.is_over.set()
        if self.flooding is not None:
            self.flooding.join()
        return self.times

    def fork(self) -> int:
        """The child: it ends once it has followed a circuit that was isolated since."""
        child = os.fork()
        if child:
            return child
        deadline_s = time.monotonic() + 20
        while self.state()[0] != "isolated" and time.monotonic() < deadline_s:
            time.sleep(0.01)
        fine = self.state()[0] == "isolated" and self.circuits.close(20) and self.rates.close(20)
        os._exit(0 if fine else 1)

    def wait_for_child(self, child: int) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def close(self) -> list[str]:
        assert self.circuits.close(20)
        assert self.rates.close(20)
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("bascule-shared")]


def main() -> None:
    url, credit = sys.argv[1], sys.argv[2]
    member = Member(url, None if credit == "burst" else int(credit))
    for line in sys.stdin:
        name, *values = json.loads(line)
        command: Callable[..., object] = getattr(member, name)
        sys.stdout.write(json.dumps(command(*values)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
