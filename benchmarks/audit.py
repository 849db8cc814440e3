"""How long `bascule audit` takes: a thousand manifests, one file, and files that were made to exhaust it.

    .venv/bin/python benchmarks/audit.py [--quick] [--json] [--rounds N]

Each run is a process of its own, start-up included, and counts as its own time on the processor, so that what else the
machine does matters little. The baseline of each ratio is the goal of its work: at most 1 means that it is met. What
hostile files take is told without the start-up, and their peak of memory whole.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import machine

ROOT = Path(__file__).resolve().parents[1]
MANIFESTS_GOAL_S = 5.0
START_UP_GOAL_S = 0.4
HOSTILE_GOAL_S = 1.0
HOSTILE_GOAL_MIB = 200.0
MEGA = 1_000_000
RUN = """
import resource, sys
from pathlib import Path
from bascule.cli.main import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print("cost", code, used.ru_utime + used.ru_stime, int(peak.split()[1]) / 1024, file=sys.stderr)
"""
MANIFEST = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web{number}
  namespace: shop
  labels: {{app: web{number}}}
spec:
  replicas: 3
  selector:
    matchLabels: {{app: web{number}}}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  template:
    metadata:
      labels:
        app: web{number}
    spec:
      terminationGracePeriodSeconds: 30
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{app: web{number}}}
      containers:
        - name: web
          image: registry.example/web:1.2.3
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: DATABASE
              value: "postgresql://db/shop"
            - name: WORKERS
              value: "4"
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: 256Mi
          readinessProbe:
            httpGet:
              path: /readyz
              port: http
            periodSeconds: 5
          livenessProbe:
            httpGet:
              path: /livez
              port: http
            periodSeconds: 10
          lifecycle:
            preStop:
              exec:
                command: ["sleep", "5"]
          volumeMounts:
            - name: settings
              mountPath: /etc/settings
      volumes:
        - name: settings
          configMap:
            name: web{number}
"""


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    cpu_s: float
    peak_mib: float


def run(*words: str) -> Cost:
    """One audit as a process of its own; a crash ends the benchmark."""
    argv = [sys.executable, "-c", RUN, "audit", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)
    last = (done.stderr.splitlines() or [""])[-1].split()
    if last[:1] != ["cost"] or last[1] not in {"0", "1"}:
        sys.exit(f"{' '.join(words)}: {done.stderr}")
    return Cost(float(last[2]), float(last[3]))


def hostile() -> Iterator[tuple[str, str]]:
    """Texts that were made to exhaust a reader; each is to be told as a finding."""
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60))
    wide = "base: &b {" + ", ".join(f"k{n}: 1" for n in range(10_000)) + "}\n"
    yield "aliases of aliases", laughs
    yield "merges of a wide mapping", wide + "".join(f"m{n}: {{<<: *b}}\n" for n in range(10_000))
    yield "nested lists", "[" * MEGA
    yield "nested mappings", "{a: " * MEGA
    yield "ten million signs in one list", "[" + "a," * (5 * MEGA)
    yield "as many keys as lines", "".join(f"key{n}: {n}\n" for n in range(249_000))
    yield "more lines than allowed", "- a\n" * (2 * MEGA)
    yield "more bytes than allowed", "a: 1\n" * (3 * MEGA)
    yield "errors without end", "a: [\n---\n" * 100_000
    yield "templates without end", "a: {{ x }}\n---\n" * 100_000
    yield "an unfinished quote", 'a: "' + "x" * (9 * MEGA)
    yield "one long word", "x" * (9 * MEGA)
    yield "a control character", "x" * (9 * MEGA) + "\x01"
    yield "suppressions", "# bascule: ignore BSC-FILE-001, BSC-FILE-002 - x\n" * 200_000
    yield "duplicate keys", "a: 1\n" * 190_000


def measured(rounds: int, manifests: int, folder: Path) -> list[dict[str, object]]:
    """One row for each work."""
    deploy, one = folder / "deploy", folder / "one.yaml"
    deploy.mkdir()
    for number in range(manifests):
        (deploy / f"web{number}.yaml").write_text(MANIFEST.format(number=number))
    one.write_text(MANIFEST.format(number=0))
    stream = folder / "stream.yaml"
    stream.write_text("---\n".join(MANIFEST.format(number=number) for number in range(manifests)))
    start_up_s = statistics.median(run(str(one)).cpu_s for _ in range(max(3, rounds)))
    rows = [_row("one manifest, start-up", start_up_s, "s", START_UP_GOAL_S)]
    for work, path in (
        (f"{manifests:,} manifests, a file each", deploy),
        (f"{manifests:,} manifests, one file", stream),
    ):
        costs = [run(str(path), "--format", "json", "--output", str(folder / "found.json")) for _ in range(rounds)]
        rows.append(_row(work, statistics.median(cost.cpu_s for cost in costs), "s", MANIFESTS_GOAL_S))
    for name, text in hostile():
        path = folder / "hostile.yaml"
        path.write_text(text)
        costs = [run(str(path), "--fail-on", "low") for _ in range(rounds)]
        value_s = max(0.0, statistics.median(cost.cpu_s for cost in costs) - start_up_s)
        rows.append(_row(f"hostile: {name}", value_s, "s", HOSTILE_GOAL_S))
        rows.append(_row(f"hostile: {name}", max(cost.peak_mib for cost in costs), "MiB", HOSTILE_GOAL_MIB))
    return rows


def _row(work: str, value: float, unit: str, goal: float) -> dict[str, object]:
    rounded = round(value, 3 if unit == "s" else 1)
    return {"work": work, "subject": "bascule", "value": rounded, "unit": unit, "ratio": round(value / goal, 3)}


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the manifests, one round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    manifests, rounds = (100, 1) if options.quick else (1000, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(rounds, manifests, Path(folder))
    result = {"machine": machine(), "manifests": manifests, "rounds": rounds, "rows": rows}
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"medians of {rounds} rounds; {result['machine']}")
    for row in rows:
        print(f"{row['work']:<42} {row['value']:>9.3f} {row['unit']:<3}   {row['ratio']:>6.2f} of its goal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
