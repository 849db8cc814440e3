"""Every command line that the guides for CI, pytest and Chaos Toolkit show is one that the real command takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bascule.cli.main import command_line

ROOT = Path(__file__).parents[3]
WORKFLOW = ROOT / "examples" / "github-actions" / "drill.yml"
GUIDES = ("ci.md", "pytest.md", "chaos-toolkit.md")


def steps() -> list[dict[str, Any]]:
    document = YAML(typ="safe", pure=True).load(WORKFLOW.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = document["jobs"]["drill"]["steps"]
    return found


def shown() -> Iterator[str]:
    """Every command of ours in the workflow and the guides."""
    texts = [str(step["run"]) for step in steps() if "run" in step]
    texts += [(ROOT / "docs" / guide).read_text(encoding="utf-8") for guide in GUIDES]
    for text in texts:
        for line in re.findall(r"^(?: {4})?(bascule .*)$", text, re.MULTILINE):
            yield from (part.strip() for part in line.split("&&") if part.strip().startswith("bascule "))


@pytest.mark.parametrize("line", sorted(set(shown())))
def test_a_command_line_that_is_shown_is_taken(line: str) -> None:
    command_line().parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)


def test_a_command_line_with_a_mistake_is_not_taken() -> None:
    with pytest.raises(Exception, match="sytem"):
        command_line().parse_args(["drill", "x.yaml", "--sytem"], exit_on_error=False, print_error=False)


def test_the_workflow_fails_with_the_drill_and_keeps_what_it_wrote() -> None:
    by_name = {step.get("name", step.get("uses")): step for step in steps()}
    drill = by_name["Break it, and judge"]
    assert set(drill) == {"name", "run"}  # nothing there lets a failure pass
    assert "||" not in drill["run"]
    output = shlex.split(drill["run"])[shlex.split(drill["run"]).index("--output") + 1]
    kept = by_name["Keep the reports"]
    assert {f"{output}/report.html", f"{output}/junit.xml"} <= set(kept["with"]["path"].split())
    assert kept["if"] == "${{ !cancelled() }}"
    assert by_name["Undo whatever is left"]["if"] == "${{ always() }}"
