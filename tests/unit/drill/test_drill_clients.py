"""How the drill speaks to its load clients, which start in another directory than its own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bascule.drill.clients import Client
from bascule.measure.plan import Plan


def test_a_client_of_a_run_in_a_relative_directory_is_told_where_its_plan_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    spawned: list[tuple[str, ...]] = []

    def spawn(_host: str, _name: str, argv: tuple[str, ...], **_: object) -> int:
        spawned.append(argv)
        return 1

    lab: Any = SimpleNamespace(world=SimpleNamespace(spawn=spawn))
    plan = Plan(
        client="outside", protocol="http", targets=(), rate_per_s=1, deadline_s=1, records="run/r", status="run/s"
    )
    Client(lab, "client", plan, Path("run")).start()
    assert spawned[0][-1] == str(tmp_path / "run" / "outside.plan.json")
