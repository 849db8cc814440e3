"""What one experiment costs here and with Chaos Toolkit: its start, and each further fault in one process.

    .venv/bin/python benchmarks/chaostoolkit.py [--quick] [--json] [--rounds N]

Chaos Toolkit, in a virtual environment of its own, runs experiments whose actions are processes that do nothing, or
that stop and continue a process. Ours is `bascule chaos inject`: it journals the fault, starts a watchdog, freezes a
member of a real lab, sees it frozen, continues it, and sees that too. Chaos Toolkit does none of that around its
actions, so that a ratio above 1 says what it costs to be sure. In every round each has its turn; medians over the
rounds. The baseline is Chaos Toolkit; for the plugin of pytest, pytest without it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.peers.environment import Environment, environment, machine  # noqa: E402 - found by the line above

from bascule.chaos.faults import ProcessFreeze  # noqa: E402 - as above
from bascule.drill.grip import Grip  # noqa: E402 - as above
from bascule.engines.protocols import Launch  # noqa: E402 - as above
from bascule.kernel.quantities import Rate, Share  # noqa: E402 - as above
from bascule.lab import world  # noqa: E402 - as above
from bascule.lab.client import LabClient  # noqa: E402 - as above
from bascule.lab.plan import layout  # noqa: E402 - as above
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload  # noqa: E402 - as above

PINS = {"chaostoolkit": "1.19.0", "chaostoolkit-lib": "1.44.0"}
PEER, OURS = "chaostoolkit", "bascule"
NOTHING = "an experiment that does nothing"
ONE = "an experiment with one fault"
FURTHER = "each further fault in one process"
PYTEST = "a test run that breaks nothing"
MEMBER = "app-here-a-1"
SYSTEM = System(
    system="still",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"here": Region(zones=("here-a",))},
    components={"app": Component(engine="service", replicas={"here-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
Seconds = dict[tuple[str, str], list[float]]


def spent_s(argv: list[str], directory: Path, **variables: str) -> float:
    """How long a command takes from its start to its end; it must succeed."""
    begun_s = time.perf_counter()
    done = subprocess.run(argv, cwd=directory, env={**os.environ, **variables}, capture_output=True, check=False)
    took_s = time.perf_counter() - begun_s
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: {done.stdout.decode()}{done.stderr.decode()}")
    return took_s


class Peer:
    """Chaos Toolkit, with as many faults in an experiment as are wanted: each stops a process and continues it."""

    def __init__(self, peers: Environment, directory: Path, target: int) -> None:
        self._peers = peers
        self._directory = directory
        self._target = target

    def run_s(self, faults: int) -> float:
        """One `chaos run`."""
        path = self._directory / f"{faults}.json"
        words = ("STOP", "CONT") * faults
        method = [
            {
                "type": "action",
                "name": f"{number}",
                "provider": {"type": "process", "path": "kill", "arguments": ["-s", word, str(self._target)]},
            }
            for number, word in enumerate(words)
        ]
        path.write_text(json.dumps({"title": "t", "description": "d", "method": method, "rollbacks": []}))
        argv = [str(self._peers.python), "-m", "chaostoolkit", "--no-version-check", "run", str(path)]
        return spent_s(argv, self._directory)

    def each_s(self, faults: int) -> float:
        """Seconds for each further fault of an experiment: what so many more of them make it longer by."""
        return (self.run_s(faults + 1) - self.run_s(1)) / faults


def ours_s(lab: LabClient, directory: Path, number: int, *words: str) -> float:
    """One `bascule chaos inject` that ends as soon as the fault was seen to act."""
    argv = [sys.executable, "-m", "bascule", "chaos", "inject", "process-freeze", f"member={MEMBER}"]
    argv += ["--lab", str(lab.directory), "--for", "1ms", "--output", str(directory / f"run-{number}"), *words]
    return spent_s(argv, directory, PYTHONPATH=str(ROOT / "src"))


def each_s(lab: LabClient, directory: Path, number: int, faults: int) -> float:
    """Seconds for each of so many faults that one process injects, sees, undoes and sees undone, one after another."""
    with Grip.on_lab(lab, directory / f"grip-{number}") as grip:
        grip.undo(grip.strike(ProcessFreeze(member=MEMBER))[0])  # the first one starts the watchdog
        begun_s = time.perf_counter()
        for _ in range(faults):
            grip.undo(grip.strike(ProcessFreeze(member=MEMBER))[0])
        return (time.perf_counter() - begun_s) / faults


def pytest_s(directory: Path, *words: str) -> float:
    """One test run of one test that does nothing."""
    (directory / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(directory), *words]
    variables = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT / "src")}
    return spent_s([*argv, "test_nothing.py"], directory, **variables)


def measure(peers: Environment, lab: LabClient, directory: Path, rounds: int, faults: int) -> Seconds:
    """Every figure of every round."""
    target = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    try:
        peer = Peer(peers, directory, target.pid)
        has_peer = PEER not in peers.missing
        found: Seconds = {}

        def note(work: str, subject: str, take: Callable[[], float]) -> None:
            found.setdefault((work, subject), []).append(take())

        for number in range(rounds):
            if has_peer:
                note(NOTHING, PEER, partial(peer.run_s, 0))
                note(ONE, PEER, partial(peer.run_s, 1))
                note(FURTHER, PEER, partial(peer.each_s, faults))
            note(NOTHING, OURS, partial(ours_s, lab, directory, 2 * number, "--dry-run"))
            note(ONE, OURS, partial(ours_s, lab, directory, 2 * number + 1))
            note(FURTHER, OURS, partial(each_s, lab, directory, number, faults))
            note(PYTEST, "pytest", partial(pytest_s, directory))
            note(PYTEST, f"pytest with {OURS}", partial(pytest_s, directory, "-p", "bascule.testing.plugin"))
    finally:
        target.kill()
        target.wait()
    return found


def rows_of(found: Seconds) -> list[dict[str, Any]]:
    """One row for each figure: the median in milliseconds, the range, and the ratio to the baseline of its work."""
    medians = {key: statistics.median(values) * 1e3 for key, values in found.items()}
    rows = []
    for (work, subject), value in medians.items():
        baseline = medians.get((work, PEER), medians.get((work, "pytest")))
        row = {"work": work, "subject": subject, "value": value, "unit": "ms"}
        row["ratio"] = value / baseline if baseline else None
        values = found[work, subject]
        rows.append(row | {"least": min(values) * 1e3, "most": max(values) * 1e3})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for people."""
    lines = []
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:6.2f}"
        spread = f"({row['least']:.1f} to {row['most']:.1f})"
        lines.append(f"{row['work']:36} {row['subject']:20} {row['value']:8.1f} ms {spread:22} {ratio}")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of few faults")
    parser.add_argument("--rounds", type=int, default=15, help="how many turns each has")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    options = parser.parse_args()
    rounds, faults = (1, 5) if options.quick else (max(1, options.rounds), 50)
    with environment(PINS) as peers, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        lab = world.create(directory / "lab", layout(SYSTEM, world.choose_prefix("auto")))
        try:
            home = directory / "member"
            home.mkdir()
            lab.launch(MEMBER, MEMBER, Launch(argv=(sys.executable, "-c", "import signal; signal.pause()")), home)
            rows = rows_of(measure(peers, lab, directory, rounds, faults))
        finally:
            lab.down()
        versions = {each: version for each, version in PINS.items() if each not in peers.missing}
    told = {"machine": machine(), "baseline": PEER, "versions": versions, "rounds": rounds, "rows": rows}
    print(json.dumps(told, indent=2) if options.json else f"{told['machine']}, {rounds} rounds\n{table(rows)}")


if __name__ == "__main__":
    main()
