"""How soon another process leads when the one that led is killed, leaves or is frozen: `Leadership` beside tooz.

    .venv/bin/python benchmarks/leadership.py [--quick] [--json] [--rounds N]

Two processes on this machine, with one etcd member or with one file; the one that leads meets the fault, and the other
one takes over. Of each: the time from the fault to the first sign that the other one leads, and, for one that is frozen
for two leases and then goes on, for how long both believed at the same time that they led, in the second after that.
Medians over the rounds; "never" is longer than three leases. Both have a lease of 2 s, the least that an etcd with its
own defaults keeps. The baseline of each ratio is tooz with the same kind of store; its file is a lock of the kernel's,
which ends with the process, and with nothing else. The peer is installed in a virtual environment that is gone
afterwards; without a registry of packages ours is measured alone.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.lease_cost import start_etcd
from benchmarks.peers.environment import ROOT, Environment, environment, machine, show

PINS = {"tooz": "9.1.0", "etcd3gw": "2.7.0"}
BASELINE = "tooz"
LEASE_S = 2.0
MOST_LEASES = 3
START_LIMIT_S = 30.0
AFTER_S = 1.0
FAULTS: dict[str, tuple[str, ...]] = {"etcd": ("killed", "left", "frozen"), "file": ("killed", "left", "frozen")}
QUICK: dict[str, tuple[str, ...]] = {"etcd": ("killed", "frozen"), "file": ("left",)}
Row = dict[str, object]


def now_s() -> float:
    """The clock that all processes of the machine share."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Worker:
    """One process that wants to lead, and its diary."""

    argv: list[str]
    environment: dict[str, str]
    diary: Path
    running: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.diary.touch()
        self.running = subprocess.Popen([*self.argv, str(self.diary)], env=self.environment, cwd=ROOT)

    def led_s(self) -> list[float]:
        """When it believed that it led."""
        return [float(line) for line in self.diary.read_text(encoding="utf-8").split("\n")[:-1]]

    def end(self) -> None:
        """At once."""
        self.running.kill()
        self.running.wait()


def wait_for(is_so: Callable[[], bool], limit_s: float) -> bool:
    """Whether it became so in time."""
    until_s = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.005)
    return True


@contextlib.contextmanager
def two(subject: str, store: str, here: Environment, folder: Path) -> Iterator[tuple[Worker, Worker]]:
    """One that leads, and one that waits since a lease."""
    python = sys.executable if subject == "bascule" else str(here.python)
    argv = [python, str(ROOT / "benchmarks" / "peers" / "leaders.py"), subject, store, str(LEASE_S)]
    workers: list[Worker] = []
    try:
        for name in ("first", "second"):
            diary = folder / f"{name}-{time.monotonic_ns()}"
            workers.append(Worker(argv, here.variables, diary))
            if name == "first" and not wait_for(lambda: bool(workers[0].led_s()), START_LIMIT_S):
                raise SystemExit(f"{subject} does not come to lead with {store}")
        time.sleep(1.5 + random.uniform(0, LEASE_S))  # noqa: S311 - the fault comes anywhere between two renewals
        yield workers[0], workers[1]
    finally:
        for worker in workers:
            worker.end()


def takeover_s(fault: str, first: Worker, second: Worker) -> tuple[float | None, float | None]:
    """From the fault to the other one's first sign; and for how long both led then. None: never, or not asked."""
    if second.led_s():
        raise SystemExit("both led before the fault")
    begun_s = now_s()
    number = {"killed": signal.SIGKILL, "left": signal.SIGTERM, "frozen": signal.SIGSTOP}[fault]
    first.running.send_signal(number)
    followed = wait_for(lambda: bool(second.led_s()), MOST_LEASES * LEASE_S)
    if fault != "frozen":
        return (second.led_s()[0] - begun_s if followed else None), None
    time.sleep(max(0.0, begun_s + 2 * LEASE_S - now_s()))
    woken_s = now_s()
    first.running.send_signal(signal.SIGCONT)
    time.sleep(AFTER_S)
    both_s = together_s([at_s for at_s in first.led_s() if at_s > woken_s], second.led_s()) if followed else 0.0
    return (second.led_s()[0] - begun_s if followed else None), both_s


def together_s(first: list[float], second: list[float]) -> float:
    """For how long both had signs."""
    if not first or not second:
        return 0.0
    return max(0.0, min(first[-1], second[-1]) - max(first[0], second[0]))


def measure(here: Environment, rounds: int, faults: dict[str, tuple[str, ...]]) -> list[Row]:
    """Every fault on every kind of store, each subject in turns."""
    subjects = ["bascule"] if set(PINS) & set(here.missing) else ["bascule", BASELINE]
    found: dict[tuple[str, str], list[float | None]] = {}
    with tempfile.TemporaryDirectory(prefix="leadership-") as name:
        folder = Path(name)
        process, port = start_etcd(folder)
        stores = {
            ("etcd", "bascule"): f"etcd://127.0.0.1:{port}",
            ("etcd", "tooz"): f"etcd3+http://127.0.0.1:{port}",
            ("file", "bascule"): f"sqlite://{folder}/leases.db",
            ("file", "tooz"): f"file://{folder}/tooz",
        }
        try:
            for _, kind, subject in product(range(rounds), faults, subjects):
                for fault in faults[kind]:
                    with two(subject, stores[kind, subject], here, folder) as (first, second):
                        took_s, both_s = takeover_s(fault, first, second)
                    found.setdefault((f"{fault}, {kind}: takeover", subject), []).append(took_s)
                    if both_s is not None:
                        found.setdefault((f"{fault}, {kind}: both lead", subject), []).append(both_s)
        finally:
            process.kill()
            process.wait()
    return rows_of(found)


def rows_of(found: dict[tuple[str, str], list[float | None]]) -> list[Row]:
    """Medians, and ratios to the baseline of the same work; a takeover that never came has neither."""
    values: dict[tuple[str, str], float | None] = {}
    for key, several in found.items():
        known = [one for one in several if one is not None]
        values[key] = statistics.median(known) if len(known) == len(several) else None
    rows: list[Row] = []
    for (work, subject), value in sorted(values.items()):
        base = values.get((work, BASELINE))
        ratio = None if value is None or not base else value / base
        rows.append({"work": work, "subject": subject, "value": value, "unit": "s", "ratio": ratio})
    return rows


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of three of the faults")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault is made")
    options = parser.parse_args()
    facts = machine()
    with environment(PINS) as here:
        rows = measure(here, 1 if options.quick else options.rounds, QUICK if options.quick else FAULTS)
        missing = here.missing
    if options.json:
        pins = {name: version for name, version in PINS.items() if name not in missing}
        show({"machine": facts, "baseline": BASELINE, "versions": pins, "missing": missing, "rows": rows})
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for row in rows:
        value = "never" if row["value"] is None else f"{row['value']:.3f} s"
        ratio = "" if row["ratio"] is None else f"x {row['ratio']:.2f}"
        print(f"{row['work']!s:28} {row['subject']!s:10} {value:>10} {ratio}")


if __name__ == "__main__":
    main()
