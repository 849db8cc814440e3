"""Which of the traps of resilience libraries ours and the peers walk into: each trap is an experiment that runs.

    .venv/bin/python benchmarks/guard_traps.py [--quick] [--json] [--write docs/guard-traps.md]

Every experiment has a process of its own with a time limit, runs with threads and with tasks where a library offers
both, and must hold in both. What a guard did is read off the dependency behind it, never off a library's own state.
The peers are installed in a virtual environment that is gone afterwards. The experiments are in
`benchmarks/peers/traps_*.py`, the way each library is used beside them. `--quick` asks fewer peers.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import OURS, PINS, ROOT, Environment, environment, machine, show, versions
from benchmarks.peers.probe import TRAPS

LIMIT_S = 25.0
QUICK = (OURS, "tenacity", "pybreaker", "nopanic")
SIGNS = {"holds": "**holds**", "misses": "misses", "not offered": "·", "void": "?"}
AT_A_TIME = 2


@dataclass(frozen=True)
class Found:
    """What came of one trap with one library."""

    trap: str
    subject: str
    verdict: str
    seen: str


def together(trap: str, subject: str, lines: Iterable[dict[str, str]], end: str) -> Found:
    """One verdict of the two flavours: it holds where it holds in each that is offered."""
    told = [line for line in lines if line["verdict"] != "not offered"]
    for verdict in ("misses", "void"):
        bad = [line for line in told if line["verdict"] == verdict]
        if bad:
            where = "" if len(bad) == len(told) else f"{'blocking' if bad[0]['flavour'] == 'sync' else 'awaited'}: "
            return Found(trap, subject, verdict, where + bad[0]["seen"])
    if end:
        return Found(trap, subject, "misses", end)
    if not told:
        return Found(trap, subject, "not offered", "")
    return Found(trap, subject, "holds", told[-1]["seen"])


def ask(here: Environment, trap: str, subject: str) -> Found:
    """Run the experiment; a library that hangs or brings the process down has missed."""
    try:
        done = here.run("-m", "benchmarks.peers.probe", subject, trap, timeout_s=LIMIT_S)
    except subprocess.TimeoutExpired as late:
        printed = (late.stdout or b"").decode()  # bytes, whatever was asked for: the process was cut off
        return together(trap, subject, read(printed), f"no end within {LIMIT_S:.0f} s")
    end = "" if done.returncode == 0 else f"the process ended: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
    return together(trap, subject, read(done.stdout), end)


def read(printed: str) -> list[dict[str, str]]:
    """The lines that a probe printed, without one that was cut off."""
    return [json.loads(line) for line in printed.splitlines() if line.endswith("}")]


def measure(here: Environment, *, quick: bool) -> list[Found]:
    """Every trap with every library that it concerns, and `not offered` for the others."""
    offers = json.loads(here.run("-m", "benchmarks.peers.probe", "--offers", timeout_s=LIMIT_S).stdout)
    subjects = [subject for subject in here.subjects if not quick or subject in QUICK]
    with ThreadPoolExecutor(AT_A_TIME) as pool:

        def one(job: tuple[str, str]) -> Found:
            trap, subject = job
            return ask(here, trap, subject) if trap in offers[subject] else Found(trap, subject, "not offered", "")

        return list(pool.map(one, [(trap, subject) for trap in TRAPS for subject in subjects]))


def rows(found: list[Found]) -> list[dict[str, object]]:
    """Benchmark rows: 1 where it holds, 0 where not; what is not offered has none."""
    return [
        {
            "work": f"trap {one.trap}: {TRAPS[one.trap].text}",
            "subject": one.subject,
            "value": int(one.verdict == "holds"),
            "unit": "holds",
            "ratio": None,
            "seen": one.seen,
        }
        for one in found
        if one.verdict in ("holds", "misses")
    ]


def table(found: list[Found]) -> list[str]:
    """The traps down, the libraries across."""
    subjects = list(dict.fromkeys(one.subject for one in found))
    signs = {(one.trap, one.subject): SIGNS[one.verdict] for one in found}
    lines = [f"| | trap | {' | '.join(subjects)} |", f"|---|---|{'---|' * len(subjects)}"]
    for number, trap in TRAPS.items():
        cells = " | ".join(signs[number, subject] for subject in subjects)
        lines.append(f"| {number} | {trap.text} | {cells} |")
    count = {
        subject: (
            sum(one.verdict == "holds" for one in found if one.subject == subject),
            sum(one.verdict in ("holds", "misses") for one in found if one.subject == subject),
        )
        for subject in subjects
    }
    lines.append(f"| | holds, of those offered | {' | '.join(f'{held}/{of}' for held, of in count.values())} |")
    return lines


def reasons(found: list[Found]) -> list[str]:
    """What was seen, trap by trap; libraries of which the same is to be said share a line."""
    lines: list[str] = []
    for number, trap in TRAPS.items():
        asked = [one for one in found if one.trap == number and one.verdict != "not offered"]
        lines += [f"### {number}. {trap.text[0].upper()}{trap.text[1:]}", "", f"{said(trap.run.__doc__)}", ""]
        groups: dict[tuple[str, str], list[str]] = {}
        for one in asked:
            groups.setdefault((one.verdict, one.seen), []).append(one.subject)
        lines += [
            f"- {', '.join(names)}: {verdict}. {seen[:1].upper()}{seen[1:]}."
            for (verdict, seen), names in groups.items()
        ]
        lines.append("")
    return lines


def said(docstring: str | None) -> str:
    """The first line of a docstring."""
    return (docstring or "").strip().splitlines()[0]


PAGE = """# The traps, and who walks into them

Resilience libraries fail in the same few ways, mostly where calls overlap. Each row is an experiment that was run
against each library; nothing here is taken from anybody's documentation. `·` means that the library has no such
feature, and is no reproach. **holds** means: with threads and with tasks, where the library offers both.

Made by `.venv/bin/python benchmarks/guard_traps.py --write docs/guard-traps.md` on {date}, Python {python}, {machine}.
Versions: {versions}.{missing}

{table}

Every library is used as its own documentation says, with the configuration that serves it best; how, is in
`benchmarks/peers/` (`ours.py`, `retriers.py`, `breakers.py`, `toolkits.py`). What to know of single rows:

- 1, 2, 3, 6, 8, 17: the blocking breaker of fluxgate is documented as not made for threads; only the other was asked.
- 2, 6: pybreaker makes one call at a time (trap 8), so none of its calls can be late.
- 3 asks the breaker alone: a time limit inside of it, where one is to be had, ends the probe. Breakers that let every
  caller probe (trap 1) cannot be wedged.
- 7 asks more of retries than most people do: they are told to try everything again, whatever it was.
- 12: the budget of pyresilience is a bucket of a fixed size and not a share of the calls; it was sized for this run.
- 13: of awaited calls. A blocking one cannot be ended; ours counts those that run on.
- 17: a limit that counts for each event loop by itself is let pass.

## What was seen

{reasons}"""


def page(found: list[Found], here: Environment) -> str:
    """The document."""
    facts = machine()
    missing = f" Missing: {', '.join(here.missing)}." if here.missing else ""
    return PAGE.format(
        date=dt.datetime.now(tz=dt.UTC).date(),
        python=facts["python"],
        machine=f"Linux {facts['kernel']}, {facts['processors']} processors ({facts['model']})",
        versions=", ".join(f"{name} {version}" for name, version in versions(here.missing).items()),
        missing=missing,
        table="\n".join(table(found)),
        reasons="\n".join(reasons(found)).rstrip() + "\n",
    )


def main() -> None:
    """Run the experiments, and print the verdicts or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"ask {', '.join(QUICK)} only")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the table as a page of the documentation")
    options = parser.parse_args()
    with environment() as here:
        found = measure(here, quick=options.quick)
    if options.write:
        (ROOT / options.write).write_text(page(found, here), encoding="utf-8")
    if options.json:
        told = {"machine": machine(), "versions": versions(here.missing), "missing": here.missing, "rows": rows(found)}
        show(told)
        return
    width = max(len(name) for name in (OURS, *PINS))
    for one in found:
        if one.verdict != "not offered":
            print(f"{one.trap:>3} {one.subject:{width}} {one.verdict:7} {one.seen}")


if __name__ == "__main__":
    main()
