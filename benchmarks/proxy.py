"""What an idle proxy costs: round trips, new connections and bulk data through ours and its peers, against no proxy.

    python benchmarks/proxy.py [--quick] [--json]

The baseline of each ratio is the row `direct`, in the same run; of the rows `added` it is the peer that is named there.
The peer is Toxiproxy, if `toxiproxy-server` is on PATH or named by TOXIPROXY_SERVER: no package carries it, and that it
is missing is said. HAProxy in TCP mode, and socat where it is on PATH, stand beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bascule.chaos.proxy.client import ProxyClient
from bascule.engines import binaries
from bascule.kernel.errors import MissingProgramError

DIRECT, OURS, OURS_HTTP, TOXIPROXY, HAPROXY, SOCAT = (
    "direct",
    "bascule",
    "bascule, http",
    "toxiproxy",
    "haproxy",
    "socat",
)
GOAL = 1.2
"""Of Toxiproxy's added time, at most so much."""
SERVER = """
import contextlib, socket, struct, threading
def serve(line):
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with line, contextlib.suppress(OSError):
        head = line.recv(8)
        if len(head) < 8:
            return
        if head == b"GET /abc":
            while line.recv(65536):  # one small request at a time
                line.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\n" + bytes(100))
            return
        size = struct.unpack(">Q", head)[0]
        if size:
            while size and (data := line.recv(min(size, 1 << 20))):
                size -= len(data)
            line.sendall(b"k")
            return
        while data := line.recv(65536):
            line.sendall(data)
ear = socket.create_server(("127.0.0.1", 0), backlog=128)
print(ear.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(ear.accept()[0],), daemon=True).start()
"""
ECHO = struct.pack(">Q", 0)
BODY = bytes(200)
REQUEST = b"GET /abc HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"
ANSWER_BYTES = 140
PATIENCE_S = 10.0
Row = dict[str, object]
Ports = dict[str, int]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as ear:
        return int(ear.getsockname()[1])


@contextlib.contextmanager
def running(argv: Sequence[str | Path], port: int, variables: dict[str, str] | None = None) -> Iterator[None]:
    """A program that listens on that port, for as long as the block runs; it and its children end with it."""
    environment = {**os.environ, **(variables or {})}
    process = subprocess.Popen(
        [str(word) for word in argv], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ends_s = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            if time.monotonic() > ends_s or process.poll() is not None:
                sys.exit(f"{argv[0]} does not listen")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def server() -> Iterator[int]:
    """The server behind every proxy; its port."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield int(process.stdout.readline()) if process.stdout else 0
        finally:
            process.kill()


@contextlib.contextmanager
def ours(folder: Path, behind: int) -> Iterator[Ports]:
    """Our proxy process with a proxy for bytes and one for HTTP."""
    control = folder / "control"
    argv = [sys.executable, "-m", "bascule.chaos.proxy", "--socket", str(control), "--until-eof"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is None or process.stdout.readline() != b"ready\n":
                sys.exit("the proxy process does not begin")
            client = ProxyClient(control)
            made = {
                OURS: client.create("bytes", f"127.0.0.1:{behind}"),
                OURS_HTTP: client.create("http", f"127.0.0.1:{behind}", protocol="http"),
            }
            yield {subject: int(status.listen.rpartition(":")[2]) for subject, status in made.items()}
        finally:
            process.kill()


def peers(folder: Path, behind: int, stack: contextlib.ExitStack) -> Ports:
    """Every peer that is here, running; what is missing is said."""
    ports: Ports = {}
    toxiproxy = os.environ.get("TOXIPROXY_SERVER") or shutil.which("toxiproxy-server")
    if toxiproxy:
        port, control = free_port(), free_port()
        proxies = folder / "toxiproxy.json"
        listed = {"name": "echo", "listen": f"127.0.0.1:{port}", "upstream": f"127.0.0.1:{behind}", "enabled": True}
        proxies.write_text(json.dumps([listed]), encoding="utf-8")
        argv: list[str | Path] = [toxiproxy, "-host", "127.0.0.1", "-port", str(control), "-config", proxies]
        stack.enter_context(running(argv, port))
        ports[TOXIPROXY] = port
    else:
        print(
            "MISSING, and therefore not measured: toxiproxy (no package carries toxiproxy-server). Whether the goal of "
            f"{GOAL} times its added time is met IS NOT KNOWN from this run.",
            file=sys.stderr,
        )
    try:
        program = binaries.find("haproxy")
    except MissingProgramError as error:
        print(f"MISSING, and therefore not measured: haproxy ({error})", file=sys.stderr)
    else:
        port = free_port()
        file = folder / "haproxy.cfg"
        file.write_text(
            "global\n  nbthread 1\ndefaults\n  mode tcp\n"
            "  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
            f"listen echo\n  bind 127.0.0.1:{port}\n  server echo 127.0.0.1:{behind}\n",
            encoding="utf-8",
        )
        stack.enter_context(running([program.path, "-db", "-f", file], port, dict(program.environment)))
        ports[HAPROXY] = port
    if socat := shutil.which("socat"):
        port = free_port()
        listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay"
        stack.enter_context(running([socat, listen, f"TCP:127.0.0.1:{behind},nodelay"], port))
        ports[SOCAT] = port
    return ports


def dial(port: int) -> socket.socket:
    """A connection without Nagle's delay."""
    line = socket.create_connection(("127.0.0.1", port), timeout=60)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def trip(line: socket.socket, data: bytes, left: int = len(BODY)) -> None:
    """There, and so many bytes back."""
    line.sendall(data)
    while left:
        got = len(line.recv(left))
        if not got:
            sys.exit("the proxy hung up")
        left -= got


def round_trip_us(port: int, count: int) -> float:
    """The median round trip of 200 bytes on one connection."""
    times_s = []
    with dial(port) as line:
        line.sendall(ECHO)
        for number in range(count + 100):
            begun_s = time.perf_counter()
            trip(line, BODY)
            if number >= 100:
                times_s.append(time.perf_counter() - begun_s)
    return statistics.median(times_s) * 1e6


def http_us(port: int, count: int) -> float:
    """The median HTTP request on one connection that is kept alive."""
    times_s = []
    with dial(port) as line:
        for number in range(count + 100):
            begun_s = time.perf_counter()
            trip(line, REQUEST, ANSWER_BYTES)
            if number >= 100:
                times_s.append(time.perf_counter() - begun_s)
    return statistics.median(times_s) * 1e6


def connect_us(port: int, count: int) -> float:
    """The median of a new connection with its first round trip, to its end."""
    times_s = []
    for _ in range(count // 10):
        begun_s = time.perf_counter()
        with dial(port) as line:
            line.sendall(ECHO)
            trip(line, BODY)
        times_s.append(time.perf_counter() - begun_s)
    return statistics.median(times_s) * 1e6


def bulk_ms(port: int, count: int) -> float:
    """How long so many times 32 KiB take upstream."""
    size = count * 32 * 1024
    with dial(port) as line:
        begun_s = time.perf_counter()
        line.sendall(struct.pack(">Q", size) + bytes(size))
        line.recv(1)
        return (time.perf_counter() - begun_s) * 1e3


Work = Callable[[int, int], float]
WORKS: dict[str, tuple[Work, str]] = {
    "round trip": (round_trip_us, "us"),
    "HTTP request": (http_us, "us"),
    "new connection": (connect_us, "us"),
    "bulk upstream": (bulk_ms, "ms"),
}


def added(rows: list[Row], peer: str) -> list[Row]:
    """By how much each subject is later than no proxy at all, with the ratio to the peer."""
    found: list[Row] = []
    for work, (_, unit) in WORKS.items():
        took = {str(row["subject"]): float(str(row["value"])) for row in rows if row["work"] == work}
        more = {subject: value - took[DIRECT] for subject, value in took.items() if subject != DIRECT}
        base = more.get(peer, 0.0)
        for subject, value in more.items():
            ratio = value / base if base > 0 else None
            found.append({"work": f"{work}, added", "subject": subject, "value": value, "unit": unit, "ratio": ratio})
    return found


def measure(*, quick: bool) -> tuple[list[Row], str]:
    """Every row, and the peer to whom the rows `added` are compared."""
    rounds, count = (1, 300) if quick else (21, 1000)
    with tempfile.TemporaryDirectory() as name, server() as behind, contextlib.ExitStack() as stack:
        folder = Path(name)
        ports = {DIRECT: behind, **stack.enter_context(ours(folder, behind)), **peers(folder, behind, stack)}
        pairs = [(work, subject) for work in WORKS for subject in ports]
        seen: dict[tuple[str, str], list[float]] = {
            (work, subject): [] for work, subject in pairs if subject != OURS_HTTP or work == "HTTP request"
        }
        for _ in range(rounds):
            for (work, subject), values in seen.items():
                values.append(WORKS[work][0](ports[subject], count))
    rows: list[Row] = []
    for (work, subject), values in seen.items():
        value = statistics.median(values)
        ratio = value / statistics.median(seen[work, DIRECT])
        rows.append({"work": work, "subject": subject, "value": value, "unit": WORKS[work][1], "ratio": ratio})
    peer = next((one for one in (TOXIPROXY, HAPROXY, SOCAT) if one in ports), OURS)
    return rows + added(rows, peer), peer


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of a tenth of the work")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rows, peer = measure(quick=options.quick)
    machine = {
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }
    if options.json:
        print(json.dumps({"machine": machine, "baseline": DIRECT, "peer": peer, "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()), f"; added: ratio to {peer}")
    for row in rows:
        ratio = f"x {row['ratio']:.2f}" if row["ratio"] is not None else ""
        print(f"{row['work']!s:24} {row['subject']!s:14} {row['value']:10.2f} {row['unit']!s:4} {ratio}")


if __name__ == "__main__":
    main()
