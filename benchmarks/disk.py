"""What a disk that can fail costs a member: reads, writes, syncs and commits with it and without it.

    python benchmarks/disk.py [--quick] [--json]

The baseline of each ratio is the row `plain directory`: the same program on the same host, in a directory that no disk
covers. Rounds alternate between both. Nothing is wrong with the disk meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

from bascule.engines import binaries
from bascule.engines.protocols import Launch
from bascule.kernel.errors import MachineError
from bascule.kernel.quantities import Rate, Share
from bascule.lab import abilities, world
from bascule.lab.abilities import Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

SYSTEM = System(
    system="disk",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
HOST = "app-north-a-1"
FILES = """
import json, os, sys, time
count = int(sys.argv[2])
os.makedirs(sys.argv[1], exist_ok=True)
os.chdir(sys.argv[1])
block = os.urandom(8192)
found = {}

def timed(work, each, times):
    begun = time.perf_counter()
    for number in range(times):
        each(number)
    found[work] = (time.perf_counter() - begun) / times

line = os.open("file", os.O_RDWR | os.O_CREAT)
timed("write 8 KiB", lambda n: os.pwrite(line, block, 8192 * n), count)
timed("write 8 KiB over synced", lambda n: os.fsync(line) if n == 0 else os.pwrite(line, block, 8192 * (n - 1)), count)
timed("write 8 KiB and fsync", lambda n: (os.pwrite(line, block, 8192 * n), os.fsync(line)), count // 20)
os.fsync(line)
if sys.argv[3] == "under a disk":  # its own cache is emptied, and what lies beneath is in the machine's
    os.posix_fadvise(line, 0, 0, os.POSIX_FADV_DONTNEED)
timed("read 8 KiB through it", lambda n: os.pread(line, 8192, 8192 * (n * 37 % count)), count)
timed("read 8 KiB, cached", lambda n: os.pread(line, 8192, 8192 * (n * 37 % count)), count)
timed("open and close", lambda n: os.close(os.open("file", os.O_RDONLY)), count)
timed("make and remove", lambda n: (os.close(os.open("new", os.O_CREAT | os.O_RDWR)), os.unlink("new")), count // 10)
big = os.urandom(1 << 20)
timed("write 1 MiB", lambda n: os.pwrite(line, big, n << 20), 100)
print(json.dumps(found))
"""
COMMITS = """
import json, statistics, sys, time
import psycopg
with psycopg.connect(host="127.0.0.1", port=sys.argv[1], user="app", dbname="postgres", autocommit=True) as line:
    line.execute("create table if not exists told (number int)")
    took = []
    for number in range(int(sys.argv[2])):
        begun = time.perf_counter()
        line.execute("insert into told values (%s)", (number,))
        took.append(time.perf_counter() - begun)
print(json.dumps({"PostgreSQL commit": statistics.median(took)}))
"""
SUBJECTS = {"plain directory": 5432, "under a disk": 5433}
Row = dict[str, object]


def directory_of(lab: LabClient, subject: str) -> Path:
    """Where the subject keeps its files: in the member's directory, which a disk covers, or beside it."""
    return lab.directory / ("members" if subject == "under a disk" else "plain") / HOST


def ran(lab: LabClient, script: str, *words: str) -> dict[str, float]:
    """What a program on the host measured: seconds for each kind of work."""
    done = lab.run(HOST, [sys.executable, "-c", script, *words], timeout_s=600)
    if done.exit_code:
        raise RuntimeError(done.stderr.decode())
    found: dict[str, float] = json.loads(done.stdout)
    return found


def start_databases(lab: LabClient) -> None:
    """A PostgreSQL for each subject, ready for connections."""
    initdb, postgres = binaries.find("initdb"), binaries.find("postgres")
    for subject, port in SUBJECTS.items():
        data = str(directory_of(lab, subject) / "data")
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--lc-collate=C", "--lc-ctype=C"]
        argv = [*initdb.argv, "-D", data, "-U", "app", "-A", "trust", "-E", "UTF8", *locale]
        done = lab.run(HOST, argv, environment=initdb.environment, timeout_s=120)
        if done.exit_code:
            raise RuntimeError(done.stderr.decode())
        served = ["-c", f"port={port}", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        lab.spawn(HOST, f"postgres-{port}", [*postgres.argv, "-D", data, *served], environment=postgres.environment)
        psql = binaries.find("psql")
        ask = [*psql.argv, "-h", "127.0.0.1", "-p", str(port), "-U", "app", "-d", "postgres", "-c", "select 1"]
        while lab.run(HOST, ask, environment=psql.environment).exit_code:
            pass


def measure(*, quick: bool) -> list[Row]:
    """Every row, ratios included.

    Raises:
        MachineError: No disk that can fail can be had here.
    """
    if why := abilities.disks_refusal():
        raise MachineError(f"no disks that can fail: {why}")
    rounds, count = (1, 1000) if quick else (5, 10_000)
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        lab = world.create(
            Path(folder) / "lab", layout(SYSTEM, world.choose_prefix("namespaces")), wanted=Abilities(disks=True)
        )
        try:
            for subject in SUBJECTS:
                directory_of(lab, subject).mkdir(parents=True)
            lab.launch(HOST, HOST, Launch(argv=("/bin/sleep", "10000")), directory_of(lab, "under a disk"))
            start_databases(lab)
            for number in range(rounds):
                for subject, port in SUBJECTS.items():
                    seconds = ran(lab, FILES, str(directory_of(lab, subject) / f"round-{number}"), str(count), subject)
                    seconds |= ran(lab, COMMITS, str(port), str(count // 20))
                    for work, each_s in seconds.items():
                        found.setdefault((work, subject), []).append(each_s)
        finally:
            lab.down()
    rows: list[Row] = []
    for (work, subject), all_s in found.items():
        value = statistics.median(all_s)
        ratio = value / statistics.median(found[work, "plain directory"])
        rows.append({"work": work, "subject": subject, "value": value * 1e6, "unit": "us", "ratio": ratio})
    return sorted(rows, key=lambda row: (str(row["work"]), str(row["subject"]) != "plain directory"))


def main() -> None:
    """Print the rows as JSON, or as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for tests of this script")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    machine = {"machine": platform.machine(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    rows = measure(quick=chosen.quick)
    if chosen.json:
        print(json.dumps({"machine": machine, "rows": rows}))
        return
    for row in rows:
        print(f"{row['work']!s:26} {row['subject']!s:18} {row['value']:10.1f} {row['unit']}  x{row['ratio']:.2f}")


if __name__ == "__main__":
    main()
