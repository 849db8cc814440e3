"""Hosts on a bridge, made for one test each: programs are started on them, cut off, frozen and killed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bascule.lab import isolation

HERE = Path(__file__).parent
LIMIT_S = 20.0
ADDRESSES = {4: "10.88.1.8/24", 6: "fd00:88::8/64"}


class Answer:
    """What came from the service: which question, who answered, and that machine's clock when it did."""

    def __init__(self, line: str) -> None:
        number, self.host, stamp = line.split()
        self.number = int(number)
        self.at_s = int(stamp) / 1e9


class Program:
    """A program on a host, talked to by lines."""

    def __init__(self, argv: list[str]) -> None:
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._read = b""

    def line(self) -> str:
        """The next line that it writes."""
        assert self.process.stdout
        deadline_s = time.monotonic() + LIMIT_S
        while b"\n" not in self._read:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline_s - time.monotonic()))
            assert ready, "it said nothing"
            more = os.read(self.process.stdout.fileno(), 65536)
            assert more, "it ended"
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def tell(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def is_stopped(self) -> bool:
        """Whether it is frozen."""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):  # what was not sent yet has no reader any more
                    stream.close()


class Holder(Program):
    """An actuator on a host."""

    def __init__(self, argv: list[str], untils: Path) -> None:
        super().__init__(argv)
        self._untils = untils

    def do(self, kind: str, **more: float) -> dict[str, Any]:
        self.tell(json.dumps({"do": kind, **more}))
        answer: dict[str, Any] = json.loads(self.line())
        return answer

    def must(self, kind: str, **more: float) -> dict[str, Any]:
        answer = self.do(kind, **more)
        assert "error" not in answer, answer
        return answer

    @property
    def until_s(self) -> float:
        """The end of the last validity that it was told, or was about to be told."""
        return max(float(line) for line in self._untils.read_text().split())


class Client(Program):
    def __init__(self, argv: list[str], path: Path) -> None:
        super().__init__(argv)
        self._path = path

    def lines(self) -> list[str]:
        """What was answered so far; the last line only when it is whole."""
        return self._path.read_text().split("\n")[:-1] if self._path.exists() else []

    def answers(self) -> list[Answer]:
        return [Answer(line) for line in self.lines()]

    def hear(self, host: str, after_s: float = 0.0) -> None:
        """Wait until that host answers."""
        Net.wait_for(
            lambda: any(one.host == host and one.at_s > after_s for one in self.answers()), f"{host} to answer"
        )

    def is_one_at_a_time(self) -> bool:
        """Whether no host answered any more once another had."""
        spans: dict[str, tuple[float, float]] = {}
        for one in self.answers():
            first_s, last_s = spans.get(one.host, (one.at_s, one.at_s))
            spans[one.host] = (min(first_s, one.at_s), max(last_s, one.at_s))
        ordered = sorted(spans.values())
        return all(last_s < first_s for (_, last_s), (first_s, _) in itertools.pairwise(ordered))

    def last_s(self, host: str) -> float:
        """When that host answered last, on its own clock."""
        return max((one.at_s for one in self.answers() if one.host == host), default=0.0)


class Net:
    """The hosts `client`, `a`, `b` and `c`: 10.88.1.1 to .4, and fd00:88::1 to ::4."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._programs: list[Program] = []
        self._count = 0
        self._bridge = self._started(Program([sys.executable, str(HERE / "vip_world.py")]))
        self.pids: dict[str, int] = json.loads(self._bridge.line())

    def _started(self, program: Any) -> Any:
        self._programs.append(program)
        return program

    def _path(self, name: str) -> Path:
        self._count += 1
        return self.directory / f"{name}-{self._count}"

    def argv(self, host: str, *argv: str, capabilities: str = "all") -> list[str]:
        return [sys.executable, str(HERE / "vip_enter.py"), str(self.pids[host]), capabilities, *argv]

    def run(self, host: str, *argv: str) -> str:
        """What a program says that ends by itself."""
        done = subprocess.run(self.argv(host, *argv), capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, host: str, code: str) -> str:
        return self.run(host, sys.executable, "-c", code)

    def holder(self, host: str, *, capabilities: str = "all", mutant: str = "", **options: object) -> Holder:
        untils = self._path(f"untils-{host}")
        program = [sys.executable, str(HERE / "vip_holder.py"), json.dumps(options), str(untils)]
        argv = self.argv(host, *program, mutant, capabilities=capabilities)
        holder: Holder = self._started(Holder(argv, untils))
        return holder

    def service(self, host: str, *addresses: str) -> Program:
        service: Program = self._started(
            Program(self.argv(host, sys.executable, str(HERE / "vip_service.py"), host, *addresses))
        )
        assert service.line() == "ready"
        return service

    def client(self, address: str, *, every_ms: float = 5, kind: str = "udp") -> Client:
        path = self._path("answers")
        program = [sys.executable, str(HERE / "vip_client.py"), address, str(every_ms), str(path), kind]
        client: Client = self._started(Client(self.argv("client", *program), path))
        return client

    def link(self, host: str, state: str) -> None:
        """Switch a host's port `down` (it has no carrier then) or `up`; or pull it `out` of the bridge, put it `in`."""
        self._bridge.tell(f"{host} {state}")
        assert self._bridge.line() == "done"

    def door(self, host: str, address: str) -> str:
        """Whether the door of an address is `open`, `closed` or `absent`."""
        return self.python(
            host,
            "from ipaddress import ip_interface\nfrom bascule.cluster.actuators.door import Door\n"
            "from bascule.kernel.clock import BootClock\n"
            f"print(Door(ip_interface('{address}').ip, BootClock()).state())",
        ).strip()

    def neighbour(self, host: str, ip: str) -> str:
        """At which link address a host believes an address to be."""
        return self.python(
            host,
            "from ipaddress import ip_address\nfrom bascule.cluster.actuators.neighbours import Neighbour\n"
            f"print((Neighbour(2, ip_address('{ip}')).answer() or b'').hex(':'))",
        ).strip()

    def addresses(self, host: str) -> str:
        return self.python(
            host,
            "from bascule.cluster.actuators.addresses import Addresses\n"
            "for version in (4, 6):\n"
            "    for one in Addresses().assigned(version): print(one.index, one.interface, one.is_usable)",
        )

    def lifetime_s(self, host: str, address: str) -> int:
        """After how long the kernel removes an address."""
        return int(
            self.python(
                host,
                "from bascule.cluster.actuators.addresses import Addresses\n"
                "print(*(one.lifetime_s for version in (4, 6) for one in Addresses().assigned(version)"
                f" if str(one.interface) == '{address}'))",
            )
        )

    @staticmethod
    def now_s() -> float:
        """The clock that all hosts share, and that validities are counted on."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    @staticmethod
    def wait_for(condition: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < deadline_s, f"waited for {what} in vain"
            time.sleep(0.005)

    def wait_until(self, at_s: float) -> None:
        self.wait_for(lambda: self.now_s() > at_s, "the clock")

    def end(self) -> None:
        for program in reversed(self._programs):
            program.end()


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    if why := isolation.available():
        pytest.skip(why)
    made = Net(tmp_path)
    yield made
    made.end()


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def address(request: pytest.FixtureRequest) -> str:
    return ADDRESSES[request.param]
