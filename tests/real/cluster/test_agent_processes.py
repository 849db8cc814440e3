"""Agents as processes on one SQLite file: killed, stopped, reloaded, and on bad days."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.frozen import freeze_outside_of_a_transaction

from bascule.cluster.agent import control
from bascule.kernel.errors import BasculeError

pytestmark = pytest.mark.real
LIMIT_S = 60.0


class Agents:
    """Agents on one store, each with a command that writes down what it is told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def write(self, name: str, **changes: str) -> Path:
        """The agent's file; `changes` replaces words of it."""
        diary, place = self.directory / "diary.txt", self.directory / name
        place.mkdir(exist_ok=True)
        say = f'["sh", "-c", "echo {name} {{0}} $BASCULE_TOKEN >> {diary}"]'
        words = {
            "agent": name,
            "cluster": "test",
            "ttl": "1s",
            "identity": "ours",
            "promote": say.replace("{0}", "promote"),
            "demote": say.replace("{0}", "demote"),
            "more": "",
            **changes,
        }
        path = place / "agent.toml"
        path.write_text(f"""
[agent]
name = "{words["agent"]}"
cluster = "{words["cluster"]}"
ttl = "{words["ttl"]}"
control = "{place}/agent.sock"
promote_within = "2s"
demote_within = "2s"
[store]
kind = "sqlite"
path = "{self.directory}/leases.db"
[groups.g]
identity = "{words["identity"]}"
hold_down = "60s"
[[groups.g.actuators]]
kind = "command"
name = "diary-{name}"
promote = {words["promote"]}
demote = {words["demote"]}
state_directory = "{place}"
{words["more"]}
""")
        return path

    def start(self, name: str, **changes: str) -> None:
        """Start an agent; it has a log."""
        path = self.write(name, **changes)
        with (self.directory / f"{name}.log").open("ab") as log:
            argv = [sys.executable, "-m", "bascule", "agent", "run", str(path)]
            self.running[name] = subprocess.Popen(argv, stderr=log, start_new_session=True)

    def facts(self, name: str, kind: str) -> list[dict[str, Any]]:
        """The facts of a kind that an agent told."""
        lines = (self.directory / f"{name}.log").read_text().splitlines()
        told = [json.loads(line[line.index("{") :]) for line in lines if "{" in line]
        return [fact for fact in told if fact["fact"] == kind]

    def wait_for(self, name: str, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait for a fact."""
        path = self.directory / f"{name}.log"
        wait_until(lambda: len(self.facts(name, kind)) >= count, f"{kind} of {name}: {path.read_text()[-2000:]}")
        return self.facts(name, kind)[count - 1]

    def ask(self, name: str, **request: Any) -> Any:
        """Ask an agent through its control socket."""
        path = self.directory / name / "agent.sock"
        return json.loads(bytes(control.ask(path, control.Request(**request), 20)))

    def diary(self) -> list[str]:
        """What the commands wrote down: agent, what, token."""
        path = self.directory / "diary.txt"
        return path.read_text().splitlines() if path.exists() else []

    def signal(self, name: str, number: int) -> None:
        self.running[name].send_signal(number)

    def end(self, name: str) -> None:
        """Stop an agent orderly."""
        self.signal(name, signal.SIGTERM)
        assert self.running.pop(name).wait(LIMIT_S) == 0

    def close(self) -> None:
        """End what still runs; guardians end with their agents."""
        for process in self.running.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        wait_until(lambda: not self._guardians(), "the guardians end")

    def _guardians(self) -> list[str]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if b"guardian" in words and str(self.directory).encode() in words:
                found.append(path.parent.name)
        return found


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_a_killed_agents_service_is_stopped_by_its_guardian_before_another_one_starts(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    agents.start("b")
    agents.wait_for("b", "SessionStarted")
    agents.signal("a", signal.SIGKILL)
    agents.wait_for("b", "BecameActive")
    diary = [line.split()[:2] for line in agents.diary()]
    assert ["a", "demote"] in diary[diary.index(["a", "promote"]) :]
    assert diary.index(["b", "promote"]) > max(place for place, line in enumerate(diary) if line == ["a", "demote"])


def test_a_frozen_agents_service_is_stopped_by_its_guardian(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    agents.start("b")
    agents.wait_for("b", "SessionStarted")
    freeze_outside_of_a_transaction(lambda number: agents.signal("a", number), agents.directory / "leases.db")
    agents.wait_for("b", "BecameActive")
    diary = [line.split()[:2] for line in agents.diary()]
    assert diary.index(["b", "promote"]) > len(diary) - 1 - diary[::-1].index(["a", "demote"])
    agents.signal("a", signal.SIGCONT)
    agents.wait_for("a", "SessionLost")
    agents.wait_for("a", "SessionStarted", 2)
    assert not agents.facts("a", "BecameActive")[1:]


def test_an_orderly_stop_undoes_everything_and_leaves_nothing(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    agents.end("a")
    assert agents.diary()[-1].startswith("a demote")
    assert not (agents.directory / "a" / "agent.sock").exists()


def test_a_group_of_the_same_name_in_another_cluster_is_left_alone(agents: Agents) -> None:
    """Two clusters with one name on one store: what the group is made of tells them apart."""
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    agents.start("x", identity="theirs")
    clash = agents.wait_for("x", "GroupNameClashed")
    assert clash["holder"] == "a"
    agents.signal("a", signal.SIGKILL)
    agents.wait_for("x", "PeerEnded")
    status = agents.ask("x", do="status")
    assert status["groups"][0]["holder"] == "a"
    assert not agents.facts("x", "BecameActive")


def test_the_second_agent_of_a_name_waits(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    agents.start("twin", agent="a")
    agents.wait_for("twin", "AgentNameTaken")
    assert not agents.facts("twin", "SessionStarted")


def test_a_hook_that_hangs_is_ended_and_the_group_goes_to_somebody_else(agents: Agents) -> None:
    marker = agents.directory / "hung"
    agents.start("a", promote=f'["sh", "-c", "echo $$ > {marker}; exec sleep 1000"]')
    agents.wait_for("a", "PromotionFailed")
    agents.start("b")
    agents.wait_for("b", "BecameActive")
    hung = int(marker.read_text())
    wait_until(lambda: not Path(f"/proc/{hung}").exists(), "the hook is gone")


def test_a_file_that_becomes_wrong_changes_nothing_and_a_right_one_does(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    path = agents.directory / "a" / "agent.toml"
    text = path.read_text()
    path.write_text("nonsense = [")
    with pytest.raises(BasculeError, match="no TOML"):
        agents.ask("a", do="reload")
    path.write_text(text + '\n[groups.more]\nidentity = "ours"\n')
    assert agents.ask("a", do="reload") == {"groups": ["g", "more"], "changed": ["more"], "gone": []}
    agents.wait_for("a", "BecameActive", 2)
    assert len(agents.facts("a", "SessionStarted")) == 1
    assert not agents.facts("a", "StoppedActing")


def test_a_reload_that_is_refused_leaves_the_checks_at_work(agents: Agents) -> None:
    sick = agents.directory / "sick"
    check = f'[groups.g.check]\nkind = "command"\ncommand = ["sh", "-c", "! test -e {sick}"]\nevery = "100ms"\nfall = 1'
    agents.start("a", more=check)
    agents.wait_for("a", "BecameActive")
    path = agents.directory / "a" / "agent.toml"
    text = path.read_text()
    path.write_text(text.replace(f'["sh", "-c", "! test -e {sick}"]', "[]"))
    with pytest.raises(BasculeError, match=r"groups\.g\.check: command: no program is named"):
        agents.ask("a", do="reload")
    agents.signal("a", signal.SIGHUP)
    assert "groups.g.check" in agents.wait_for("a", "ReloadRefused", 2)["why"]
    sick.touch()
    assert "exit code 1" in agents.wait_for("a", "BecameIneligible", 2)["why"]
    path.write_text(text.replace(f'"sh", "-c", "! test -e {sick}"', '"true"') + '\n[groups.more]\nidentity = "ours"\n')
    agents.signal("a", signal.SIGHUP)
    told = agents.wait_for("a", "Reloaded")
    assert (told["groups"], told["changed"], told["gone"]) == ("g, more", "g, more", "")
    path.write_text(text)
    agents.signal("a", signal.SIGHUP)
    told = agents.wait_for("a", "Reloaded", 2)
    assert (told["groups"], told["changed"], told["gone"]) == ("g", "g", "more")


def test_who_is_told_to_stop_before_it_takes_part_does_not_begin(agents: Agents) -> None:
    began, slow = agents.directory / "began", agents.directory / "slow"
    slow.touch()
    agents.start("a", demote=f'["sh", "-c", "touch {began}; while test -e {slow}; do sleep 0.05; done"]')
    wait_until(began.exists, "the agent undoes what an earlier one may have left")
    with pytest.raises(BasculeError, match="does not take part yet"):
        agents.ask("a", do="reload")
    agents.signal("a", signal.SIGHUP)
    agents.signal("a", signal.SIGTERM)
    slow.unlink()
    assert agents.running.pop("a").wait(LIMIT_S) == 0
    assert not agents.facts("a", "SessionStarted")
    assert not (agents.directory / "a" / "agent.sock").exists()


def test_a_reload_that_comes_before_it_takes_part_is_carried_out_when_it_does(agents: Agents) -> None:
    began, slow = agents.directory / "began", agents.directory / "slow"
    slow.touch()
    agents.start("a", demote=f'["sh", "-c", "touch {began}; while test -e {slow}; do sleep 0.05; done"]')
    wait_until(began.exists, "the agent undoes what an earlier one may have left")
    path = agents.directory / "a" / "agent.toml"
    path.write_text(path.read_text() + '\n[groups.more]\nidentity = "ours"\n')
    agents.signal("a", signal.SIGHUP)
    slow.unlink()
    assert agents.wait_for("a", "Reloaded")["groups"] == "g, more"
    agents.wait_for("a", "BecameActive", 2)


def test_metrics_are_moved_by_a_restart_alone(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    path = agents.directory / "a" / "agent.toml"
    path.write_text(path.read_text() + '\n[telemetry]\nmetrics = "127.0.0.1:1"\n')
    with pytest.raises(BasculeError, match=r"\[telemetry\] cannot be changed by a reload"):
        agents.ask("a", do="reload")


def test_a_store_that_is_replaced_behind_their_backs_makes_no_two(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "BecameActive")
    (agents.directory / "leases.db").unlink()
    agents.wait_for("a", "StoreLost")
    agents.wait_for("a", "StoppedActing")


def test_only_the_agents_own_user_may_ask_it(agents: Agents) -> None:
    agents.start("a")
    agents.wait_for("a", "SessionStarted")
    path = agents.directory / "a" / "agent.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_uid == os.geteuid()


def test_a_service_manager_hears_that_it_takes_part_what_it_does_and_that_it_stops(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(agents.directory / "notify"))
        manager.settimeout(LIMIT_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(agents.directory / "notify"))
        agents.start("a")
        agents.wait_for("a", "BecameActive")
        agents.signal("a", signal.SIGHUP)
        agents.signal("a", signal.SIGTERM)
        heard: list[str] = []
        while not any("STOPPING=1" in text for text in heard):
            heard.append(manager.recv(4096).decode())
    agents.running.pop("a").wait(LIMIT_S)
    assert "READY=1" in heard[0]
    assert any("acts for g" in text for text in heard)


def test_a_fence_that_would_not_work_is_told_at_the_start(agents: Agents) -> None:
    agent = agents.directory / "fence_nobody"
    agent.write_text("#!/bin/sh\nexit 1\n")
    agent.chmod(0o700)
    agents.start("a", more=f'[fences.b]\nkind = "fence_agent"\nagent = "{agent}"\n')
    told = agents.wait_for("a", "FenceFailed")
    assert told["peer"] == "b"
    agents.wait_for("a", "BecameActive")
