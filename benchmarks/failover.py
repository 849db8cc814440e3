"""What a client sees of a virtual address when its holder is killed, frozen, cut off or loses power, beside keepalived.

    .venv/bin/python benchmarks/failover.py [--quick] [--json] [--rounds N] [--fault NAME ...] [--subject NAME ...]

Three hosts on one bridge, each with an etcd member and a responder behind the address; a client asks it every 10 ms.
The same lab, faults and clients for each subject, one after the other. Of each fault: the outage, which is the longest
time without a question that was answered; for how long two hosts answered at the same time until the fault was undone,
a second after somebody else had begun to answer, as seen by the client and by one whose frames go to the old holder
alone; and the longest outage in the 10 s after the fault was undone. Medians over the rounds, with the worst. The
baseline of each ratio is keepalived at an advert of 1 s.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "real" / "failover"))

import rig
from rig import EVERY_S, NODES, Rig
from sights import longest_gap_s

BASELINE = "keepalived, advert 1 s"
AFTER_S = 10.0
BEFORE_S = 0.05
LATEST_S = 30.0


def start_ours(made: Rig) -> None:
    """Agents with a lease of 0.5 s in etcd."""
    made.start_etcd()
    made.start_responders()
    made.start_agents()


def start_keepalived(advert_s: float) -> Callable[[Rig], None]:
    """VRRP, with an advertisement every so often. etcd runs too, so that the machine is equally busy."""

    def start(made: Rig) -> None:
        made.start_etcd()
        made.start_responders()
        made.start_keepalived(advert_s)

    return start


SUBJECTS: dict[str, Callable[[Rig], None]] = {
    "bascule, lease 0.5 s": start_ours,
    BASELINE: start_keepalived(1.0),
    "keepalived, advert 0.1 s": start_keepalived(0.1),
}


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that happens to the holder, and how it is undone.

    Attributes:
        name: What it is called.
        strike: Make it happen.
        undo: Make it end.
        with_leader: Whether the holder's etcd leads, and is lost too; None where etcd is not touched.
    """

    name: str
    strike: Callable[[Rig, str], None]
    undo: Callable[[Rig, str], None]
    with_leader: bool | None = None


def kill(made: Rig, holder: str) -> None:
    """SIGKILL whoever is in charge, with all of its processes."""
    made.lab.kill(made.in_charge(holder))


def freeze(made: Rig, holder: str) -> None:
    """SIGSTOP whoever is in charge, with all of its processes."""
    made.lab.freeze(made.in_charge(holder))


def restart(made: Rig, holder: str) -> None:
    """Start whoever was in charge again."""
    made.lab.start(made.in_charge(holder))


def cut_off(made: Rig, holder: str) -> None:
    """Cut the holder's host off from all others, but from the client that asks it alone."""
    made.lab.partition((holder, "pinned"))


def heal(made: Rig, _: str) -> None:
    """Join all hosts again."""
    made.lab.heal()


def power_off(made: Rig, holder: str) -> None:
    """Take the power from the holder's host."""
    made.lab.power_off((holder,))


def power_on(made: Rig, holder: str) -> None:
    """Give it back."""
    made.lab.power_on((holder,))


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("killed", kill, restart),
        Fault("frozen", freeze, lambda made, holder: made.lab.thaw(made.in_charge(holder))),
        Fault("stopped", lambda made, holder: made.lab.stop(made.in_charge(holder)), restart),
        Fault("cut off", cut_off, heal, with_leader=False),
        Fault("power lost", power_off, power_on, with_leader=False),
        Fault("cut off with the store's leader", cut_off, heal, with_leader=True),
        Fault("power lost with the store's leader", power_off, power_on, with_leader=True),
    )
}


def settle(made: Rig) -> str:
    """Wait until somebody has answered for a while, and all agents take part; returns the holder."""
    made.wait_until_served(since_s=rig.boot_s(), count=100)
    if made.provider == "bascule":
        made.wait_for_agents(NODES)
    return made.holder()


def trial(made: Rig, fault: Fault) -> dict[str, float]:
    """Strike, watch, undo, watch: the figures of one fault, in seconds."""
    settle(made)
    if fault.with_leader is not None and made.provider == "bascule":
        (made.move_to_the_stores_leader if fault.with_leader else made.move_away_from_the_stores_leader)()
        settle(made)
    holder = made.pinned_holder()
    others = [name for name in NODES if name != holder]
    at_s = rig.boot_s()
    fault.strike(made, holder)
    try:
        rig.wait_for(lambda: made.served_since(at_s, others, 100), f"{fault.name}: somebody else", LATEST_S)
    except TimeoutError:
        sys.stderr.write(f"{fault.name}: nobody took over from {holder} within {LATEST_S:g} s\n")
    undone_s = rig.boot_s()
    figures = {"outage": longest_gap_s(made.answers("user"), at_s - BEFORE_S, undone_s, EVERY_S)}
    fault.undo(made, holder)
    rig.wait_for(lambda: rig.boot_s() > undone_s + AFTER_S, "the time after the fault was undone")
    figures["outage after it was undone"] = longest_gap_s(made.answers("user"), undone_s, undone_s + AFTER_S, EVERY_S)
    figures["two holders"] = made.two_holders_s()
    made.unpin()
    return figures


def measure(subject: str, faults: Sequence[str], rounds: int) -> dict[tuple[str, str], list[float]]:
    """Every figure of one subject, round by round."""
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name, rig.running(Path(name)) as made:
        SUBJECTS[subject](made)
        made.start_client("user")
        for number in range(rounds):
            for called in faults:
                fault = FAULTS[called]
                if fault.with_leader and made.provider != "bascule":
                    continue  # it has no store
                figures = trial(made, fault)
                for figure, value in figures.items():
                    found.setdefault((called, figure), []).append(value)
                told = ", ".join(f"{figure} {value:.3f} s" for figure, value in figures.items())
                sys.stderr.write(f"{subject}, round {number + 1}, {called}: {told}\n")
    return found


def rows_of(found: dict[str, dict[tuple[str, str], list[float]]]) -> list[dict[str, Any]]:
    """One row for each subject, fault and figure."""
    rows = []
    for subject, figures in found.items():
        for (fault, figure), values in figures.items():
            baseline = found.get(BASELINE, {}).get((fault, figure))
            median = statistics.median(values)
            against = statistics.median(baseline) if baseline else 0.0
            row = {
                "work": f"{fault}: {figure}",
                "subject": subject,
                "value": round(median, 4),
                "unit": "s",
                "ratio": round(median / against, 4) if against else None,
            }
            rows.append(row | {"most": round(max(values), 4), "rounds": len(values)})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for people: a line for each fault and figure, a column for each subject."""
    subjects = list(dict.fromkeys(row["subject"] for row in rows))
    by_place = {(row["work"], row["subject"]): row for row in rows}
    lines = [" " * 62 + "".join(f"{subject:>26}" for subject in subjects)]
    for work in dict.fromkeys(row["work"] for row in rows):
        cells = (by_place.get((work, subject)) for subject in subjects)
        told = (f"{cell['value']:.2f} (worst {cell['most']:.2f}) s" if cell else "-" for cell in cells)
        lines.append(f"{work:62}" + "".join(f"{text:>26}" for text in told))
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round of one fault")
    parser.add_argument("--rounds", type=int, default=5, help="how often each fault")
    parser.add_argument("--fault", action="append", choices=[*FAULTS], help="these faults alone")
    parser.add_argument("--subject", action="append", choices=[*SUBJECTS], help="these subjects alone")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    options = parser.parse_args()
    faults = options.fault or (["cut off"] if options.quick else [*FAULTS])
    rounds = 1 if options.quick else max(1, options.rounds)
    found = {subject: measure(subject, faults, rounds) for subject in options.subject or SUBJECTS}
    rows = rows_of(found)
    machine = {
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }
    if options.json:
        print(json.dumps({"machine": machine, "baseline": BASELINE, "rounds": rounds, "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()) + f", rounds {rounds}")
    print(table(rows))


if __name__ == "__main__":
    main()
