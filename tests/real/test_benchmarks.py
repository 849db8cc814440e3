"""Every benchmark runs to its end and says what it measured; how fast anything was is not asserted here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.lab import abilities, world

pytestmark = [pytest.mark.real, pytest.mark.alone]
SCRIPTS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_runs_and_tells_its_rows(script: Path, tmp_path: Path) -> None:
    if script.stem == "wan" and world.isolation_available():
        pytest.skip("NO NAMESPACES: the benchmark of the WAN was not run")
    if script.stem == "disk" and (why := abilities.disks_refusal()):
        pytest.skip(f"NO DISKS THAT CAN FAIL: {why}")
    done = subprocess.run(
        [sys.executable, script, "--quick", "--json"],
        capture_output=True,
        check=False,
        timeout=200,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["machine"]
    assert {"work", "subject", "value", "unit", "ratio"} <= told["rows"][0].keys()
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"
