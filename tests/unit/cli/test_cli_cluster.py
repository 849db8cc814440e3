from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bascule.cli import cluster
from bascule.cli.main import main


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(
        f"""
[agent]
name = "edge-1"
cluster = "shop"
ttl = "500ms"
control = "{tmp_path}/agent.sock"
[store]
kind = "sqlite"
path = "{tmp_path}/leases.db"
[groups.edge]
"""
    )
    return path


def test_a_file_is_explained_without_being_run(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "check", str(agent), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agent"] == "edge-1 of shop"
    assert told["lease"]["rivals_wait_s"] == 0.5
    assert main(["agent", "check", str(agent)]) == 0
    assert "sqlite" in capsys.readouterr().out


def test_a_wrong_file_is_told_with_what_would_be_right(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent.write_text(agent.read_text().replace("ttl", "tll"))
    assert main(["agent", "run", str(agent)]) == 2
    assert "did you mean ttl?" in capsys.readouterr().err


def test_a_store_that_needs_no_schema_says_so(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agent", "schema", str(agent)]) == 2
    assert "needs no schema" in capsys.readouterr().err


def test_the_schema_of_a_table_is_printed(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = agent.read_text().replace('kind = "sqlite"', 'kind = "postgresql"\nhosts = ["db1"]')
    agent.write_text("\n".join(line for line in text.splitlines() if not line.startswith("path")))
    assert main(["agent", "schema", str(agent)]) == 0
    assert "CREATE TABLE" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["status"], ["switchover", "edge"], ["pause"], ["resume"], ["fence", "x"], ["reload"]]
)
def test_without_an_agent_the_next_step_is_told(
    words: list[str], agent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cluster", *words, "--agent", str(agent)]) == 2
    assert "bascule agent run" in capsys.readouterr().err


def test_a_layout_is_explained(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voters = [word for name in ("a", "b", "c") for word in ("--voter", f"{name}=site-{name}")]
    assert main(["cluster", "explain", "--agent", str(agent), *voters, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["majority"] == 2
    assert main(["cluster", "explain", "--agent", str(agent), "--voter", "nowhere"]) == 2
    assert "etcd-1=paris" in capsys.readouterr().err


THREE = ["--voter", "a=paris", "--voter", "b=lyon", "--voter", "c=bern"]


def test_a_layout_is_explained_with_what_the_file_says_of_groups(
    agent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fence = '[fences.edge-2]\nkind = "fence_agent"\nagent = "fence_ipmilan"\n'
    agent.write_text(agent.read_text() + f'fencing = "both"\npreempt_after = "1s"\nhold_down = "100ms"\n{fence}')
    assert main(["cluster", "explain", "--agent", str(agent), *THREE]) == 0
    told = capsys.readouterr().out
    assert 'means: fencing = "both"' in told
    assert "a hold-down of 0.1 s" in told
    assert "preemption after 1 s" in told


def test_endpoints_without_sites_are_counted(agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = agent.read_text().replace('"sqlite"', '"etcd"\nendpoints = ["http://a:2379", "http://b:2379"]')
    agent.write_text("\n".join(line for line in text.splitlines() if not line.startswith("path")))
    assert main(["cluster", "explain", "--agent", str(agent)]) == 0
    assert "store: 2 endpoints" in capsys.readouterr().out


def test_voters_need_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bascule.cli.cluster.DEFAULT", tmp_path / "none.toml")
    words = ["cluster", "explain", "--agent", str(tmp_path / "none.toml")]
    assert main([*words, *THREE]) == 0
    assert "note: no agent's file was read" in capsys.readouterr().out
    assert main(words) == 2
    assert "--agent FILE" in capsys.readouterr().err
    assert main(["cluster", "explain", "--agent", str(tmp_path / "other.toml"), *THREE]) == 2


@pytest.mark.parametrize("option", ["--voter", "--site"])
def test_a_name_that_comes_twice_is_refused(option: str, agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cluster", "explain", "--agent", str(agent), option, "a=x", option, "a=y"]) == 2
    assert "names 'a' twice" in capsys.readouterr().err


def test_logs_become_a_timeline(tmp_path: Path, agent: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del agent
    log = tmp_path / "a.log"
    log.write_text('{"fact": "BecameActive", "at_s": 1.0, "agent": "a", "group": "g", "token": 3, "took_s": 0.1}\n')
    assert main(["cluster", "timeline", str(log)]) == 0
    assert "■ ACTIVE g #3" in capsys.readouterr().out
    assert main(["cluster", "timeline", str(log), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["fact"] == "BecameActive"
    assert main(["cluster", "timeline"]) == 2
    assert main(["cluster", "timeline", str(tmp_path / "none.log")]) == 2
    assert main(["cluster", "timeline", "/dev/zero"]) == 2
    assert "more than 100000000 characters" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["status"], ["pause"], ["reload"]])
def test_an_agent_whose_file_is_wrong_is_asked_all_the_same(
    words: list[str], agent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.write_text(agent.read_text().replace('"sqlite"', '"sqlight"'))
    assert main(["cluster", *words, "--agent", str(agent)]) == 2
    told = capsys.readouterr().err
    assert "the file is wrong" in told
    assert f"{agent.parent}/agent.sock: no agent runs here" in told


@pytest.mark.parametrize("text", ["[agent", "", "agent = 1", "[agent]\ncluster = 1", '[agent]\nname = "n"'])
def test_a_file_that_tells_no_socket_is_told_with_the_option(
    text: str, agent: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent.write_text(text)
    assert main(["cluster", "status", "--agent", str(agent)]) == 2
    assert "--socket PATH" in capsys.readouterr().err
    assert main(["cluster", "status", "--agent", str(agent), "--socket", str(agent.parent / "own.sock")]) == 2
    assert "own.sock: no agent runs here" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no name")])
def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def nobody() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nobody)
    assert cluster._who().startswith(f"uid {os.getuid()}@")
