"""Processes that ssh reaches: a real sshd, the system's ssh, and what the far side does when the line is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.real.outside import sshd
from tests.real.outside.outside_rig import (
    NAMES,
    WAYS,
    ByHand,
    Worker,
    allow,
    bascule,
    eventually,
    state,
    working,
)
from tests.real.outside.sshd import Sshd

from bascule.kernel.errors import FaultError
from bascule.outside import reach
from bascule.outside.address import parse
from bascule.outside.platform import OutsidePlatform

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd.running(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with working(tmp_path / "worker") as found:
        yield found


@pytest.fixture
def strike(tmp_path: Path, worker: Worker, server: Sshd) -> Iterator[Callable[..., ByHand]]:
    rule = {
        "host": "far",
        "words": [*worker.argv],
        "faults": ["all"],
        "restart": worker.argv,
        "ssh_config": str(server.config),
    }
    rules = allow(tmp_path / "allow.yaml", rule)
    hands: list[ByHand] = []

    def begin(*words: str) -> ByHand:
        hands.append(ByHand(tmp_path / "run", *words, "--on", f"ssh:far/{worker.name}", "--allow", rules))
        hands[-1].acts()
        return hands[-1]

    yield begin
    for hand in hands:
        hand.end()


def met(server: Sshd, worker: Worker, lease_s: float = 20.0) -> OutsidePlatform:
    platform, _ = reach.meet(parse(f"ssh:far/{worker.name}"), ssh_config=str(server.config), lease_s=lease_s)
    return platform


@pytest.fixture(params=WAYS, ids=NAMES)
def ended(request: pytest.FixtureRequest) -> Callable[[ByHand], None]:
    way: Callable[[ByHand], None] = request.param
    return way


@pytest.mark.parametrize("words", [("process-freeze",), ("process-slow", "share=0.2")], ids=str)
def test_a_far_process_is_stopped_and_goes_on(
    worker: Worker, strike: Callable[..., ByHand], ended: Callable[[ByHand], None], words: tuple[str, ...]
) -> None:
    hand = strike(*words)
    eventually(lambda: state(worker.pid) == "T")
    ended(hand)
    eventually(worker.works)


def test_a_far_process_is_killed_and_started_again(
    worker: Worker, strike: Callable[..., ByHand], ended: Callable[[ByHand], None]
) -> None:
    hand = strike("process-kill")
    assert state(worker.pid) in {"Z", ""}
    ended(hand)
    eventually(lambda: len(worker.starts()) == 2)
    eventually(worker.works)


def test_a_halt_reaches_the_far_side(worker: Worker, strike: Callable[..., ByHand]) -> None:
    hand = strike("descriptors-exhausted")
    eventually(lambda: worker.said() == "Too many open files")
    code, told = bascule("chaos", "halt", hand.run)
    while code != 0:
        code, more = bascule("chaos", "halt", hand.run)
        told += more
    assert "undone: " in told
    hand.process.wait(timeout=60)
    eventually(lambda: worker.said() == "opened")


def test_a_line_that_is_cut_frees_the_far_side(worker: Worker, server: Sshd) -> None:
    platform = met(server, worker)
    platform.freeze(worker.name_on("far"))
    assert state(worker.pid) == "T"
    os.kill(platform.link.pid, signal.SIGKILL)
    eventually(worker.works)
    with pytest.raises(FaultError, match="the agent is not reached"):
        platform.renew()
    assert platform.processes(worker.name_on("far"))[0].state == "running"
    platform.close()


def test_a_line_that_is_silent_frees_the_far_side_when_the_lease_is_over(worker: Worker, server: Sshd) -> None:
    """Nothing is closed: no end is told of the other, as behind a router that lost its power."""
    platform = met(server, worker, lease_s=2.0)
    platform.freeze(worker.name_on("far"))
    assert state(worker.pid) == "T"
    os.kill(platform.link.pid, signal.SIGSTOP)
    try:
        eventually(worker.works)
    finally:
        os.kill(platform.link.pid, signal.SIGCONT)
    platform.close()


def test_a_command_that_loses_its_line_undoes_and_says_so(worker: Worker, strike: Callable[..., ByHand]) -> None:
    hand = strike("process-freeze")
    (line,) = [pid for pid in hand.pids("-T", "far") if hand.run_name().encode() in cmdline(pid)]
    os.kill(line, signal.SIGKILL)
    out, err = hand.process.communicate(timeout=60)
    assert hand.process.returncode == 2, out + err
    assert "the agent is not reached" in err
    eventually(worker.works)
    eventually(lambda: bascule("chaos", "status", hand.run)[0] == 0)


def test_a_far_side_that_is_not_reached_stays_pending_until_it_is(
    worker: Worker, server: Sshd, strike: Callable[..., ByHand]
) -> None:
    hand = strike("process-freeze")
    hand.lose_command_and_watchdog()
    eventually(worker.works)
    server.stop()
    try:
        code, told = bascule("chaos", "recover", hand.run)
        assert (code, "the agent is not reached" in told) == (1, True), told
        assert bascule("chaos", "status", hand.run)[0] == 1
    finally:
        server.start()
    assert bascule("chaos", "recover", hand.run)[0] == 0
    assert bascule("chaos", "status", hand.run)[0] == 0


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_host_that_is_not_known_is_not_believed(worker: Worker, server: Sshd, tmp_path: Path) -> None:
    text = server.config.read_text().replace(str(server.known_hosts), str(tmp_path / "nobody"))
    (tmp_path / "config").write_text(text)
    with pytest.raises(FaultError, match="Host key verification failed"):
        reach.meet(parse(f"ssh:far/{worker.name}"), ssh_config=str(tmp_path / "config"))
    assert not (tmp_path / "nobody").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("SetEnv PATH=/nonexistent", "python3 is not there"),
        ("ForceCommand echo welcome", "what answers is no agent: 'welcome'"),
        ("ForceCommand true", "the agent is not reached"),
    ],
)
def test_a_far_side_that_cannot_hold_a_fault_is_refused_with_the_reason(
    worker: Worker, tmp_path: Path, line: str, told: str
) -> None:
    with sshd.running(tmp_path, line) as server, pytest.raises(FaultError, match=told):
        met(server, worker)


def test_names_never_become_options_or_commands_of_a_shell(tmp_path: Path) -> None:
    for name in ("ssh:-oProxyCommand=x/pid:5", "ssh:a b/pid:5", "ssh:far;true/pid:5", "ssh:far/unit:$(x).service"):
        code, told = bascule("chaos", "inject", "process-freeze", "--on", name, "--allow", tmp_path, "--yes")
        assert code == 2, told
