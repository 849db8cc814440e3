"""What a guard costs: ours and the peers in the same run, in turns, medians, and the ratio to a bare call.

    .venv/bin/python benchmarks/guard.py [--quick] [--json]

The baseline of a call's ratio is the bare call of the same kind (blocking, or awaited) in the same round; of an
import, the start of the interpreter; memory has none. The peers are installed in a virtual environment that is gone
afterwards; what each work is for each library stands in `benchmarks/peers/works.py`. Without a registry of packages
ours is measured alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import Environment, environment, machine, show, versions

BASELINES = {"sync": "bare call, sync", "async": "bare call, async"}
IMPORTS = {
    "bascule": "bascule.guard",
    "tenacity": "tenacity",
    "stamina": "stamina",
    "pybreaker": "pybreaker",
    "circuitbreaker": "circuitbreaker",
    "purgatory": "purgatory",
    "hyx": "hyx.retry, hyx.circuitbreaker, hyx.bulkhead, hyx.timeout",
    "fluxgate": "fluxgate",
    "nopanic": "nopanic",
    "interlock-cb": "interlock",
    "pyresilience": "pyresilience",
    "aiobreaker": "aiobreaker",
}
IMPORT = "import time; begun = time.perf_counter(); import {}; print(time.perf_counter() - begun)"
START = """
import subprocess, sys, time
begun = time.perf_counter()
subprocess.run([sys.executable, "-c", "pass"], check=True)
print(time.perf_counter() - begun)
"""
STACKED = ("bascule", "nopanic", "interlock-cb", "pyresilience")
BREAKERS = (*STACKED, "pybreaker", "circuitbreaker", "purgatory", "fluxgate")
PATIENCE_S = 900.0
Row = dict[str, object]


def seconds(here: Environment, code: str) -> float:
    """The number that a piece of Python prints."""
    done = here.run("-c", code, timeout_s=60)
    if done.returncode != 0:
        sys.exit(f"{code}\n{done.stderr}")
    return float(done.stdout)


def calls(here: Environment, rounds: int, slice_ms: float) -> list[Row]:
    """Nanoseconds per call, and the median of the ratios to the bare call of the same round."""
    words = ["-m", "benchmarks.peers.measure", "calls", str(rounds), str(slice_ms), *here.subjects]
    done = here.run(*words, timeout_s=PATIENCE_S)
    if done.returncode != 0:
        sys.exit(done.stderr)
    told: list[dict[str, Any]] = json.loads(done.stdout)
    bare: dict[str, list[float]] = {
        work: next(one["took_ns"] for one in told if one["work"] == work) for work in BASELINES.values()
    }

    def baseline(work: str, subject: str) -> list[float]:
        return bare[BASELINES["async" if "async" in work or "asyncio" in subject else "sync"]]

    return [
        {
            "work": one["work"],
            "subject": one["subject"],
            "value": statistics.median(one["took_ns"]),
            "unit": "ns",
            "ratio": statistics.median(
                took / base for took, base in zip(one["took_ns"], baseline(one["work"], one["subject"]), strict=True)
            ),
        }
        for one in told
    ]


def imports(here: Environment, rounds: int) -> list[Row]:
    """Milliseconds that a first import takes, everything that it brings along included."""
    codes = {"interpreter, nothing imported": START, "asyncio": IMPORT.format("asyncio")}
    codes |= {subject: IMPORT.format(IMPORTS[subject]) for subject in here.subjects}
    took_s: dict[str, list[float]] = {subject: [] for subject in codes}
    for turn in range(rounds + 1):
        for subject, code in codes.items():
            one_s = seconds(here, code)
            if turn:  # the first turn compiles
                took_s[subject].append(one_s)
    values = {subject: statistics.median(several) * 1e3 for subject, several in took_s.items()}
    start_ms = next(iter(values.values()))
    return [
        {"work": "import", "subject": subject, "value": value, "unit": "ms", "ratio": value / start_ms}
        for subject, value in values.items()
    ]


def memory(here: Environment) -> list[Row]:
    """Bytes per guard, each of which guards a function of its own and was called once."""
    rows: list[Row] = []
    for kind, work, subjects in (
        ("breaker", "memory of a breaker", BREAKERS),
        ("stack", "memory of retry + breaker + bulkhead", STACKED),
    ):
        for subject in subjects:
            if subject in here.subjects:
                done = here.run("-m", "benchmarks.peers.measure", "memory", kind, subject, timeout_s=120)
                if done.returncode != 0:
                    sys.exit(done.stderr)
                value = float(json.loads(done.stdout))
                rows.append({"work": work, "subject": subject, "value": value, "unit": "B", "ratio": None})
    return rows


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few short rounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    rounds, slice_ms, imported = (3, 1.0, 2) if options.quick else (21, 20.0, 11)
    facts = machine()
    with environment() as here:
        rows = calls(here, rounds, slice_ms) + imports(here, imported) + memory(here)
    if options.json:
        baseline = "the bare call of the same kind; for imports, the start of the interpreter"
        told = {"machine": facts, "baseline": baseline, "versions": versions(here.missing), "missing": here.missing}
        show({**told, "rows": rows})
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for row in rows:
        ratio = "" if row["ratio"] is None else f"x {row['ratio']:.1f}"
        print(f"{row['work']!s:44} {row['subject']!s:43} {row['value']:10,.1f} {row['unit']!s:3} {ratio}")


if __name__ == "__main__":
    main()
