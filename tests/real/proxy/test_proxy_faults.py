"""Faults by name at a real proxy process: seen by a client that calls through it, and gone whatever died."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from tests.real.proxy.proxy_rig import PATIENCE_S, Rig, dial, port, receive, wait_until

from bascule.chaos.proxy.protocol import ProxyStatus
from bascule.chaos.proxy.toxics import Latency

pytestmark = pytest.mark.real


class Caller(threading.Thread):
    """Calls an echo through a proxy, again and again, and keeps how the last call went."""

    def __init__(self, status: ProxyStatus) -> None:
        super().__init__(daemon=True)
        self._status = status
        self.calls = 0
        self.took_s = 0.0
        self.failed = ""
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            began_s, failed = time.monotonic(), ""
            try:
                with dial(self._status) as line:
                    line.settimeout(5.0)
                    line.sendall(b"hello")
                    if receive(line, 5) != b"hello":
                        failed = "cut"
            except OSError as error:
                failed = type(error).__name__
            self.took_s, self.failed = time.monotonic() - began_s, failed
            self.calls += 1
            time.sleep(0.02)

    def fresh(self, claim: Callable[[], bool]) -> None:
        """Wait until a call that began from now on is so."""
        now = self.calls
        wait_until(lambda: self.calls > now + 1 and claim(), f"{self.failed} {self.took_s}")


@pytest.fixture
def caller(proxied: ProxyStatus) -> Iterator[Caller]:
    one = Caller(proxied)
    one.start()
    yield one
    one.over.set()
    one.join()


class ByHand:
    """`bascule chaos inject ... --on proxy:SOCKET` in a process of its own."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, rig: Rig, run: Path, *words: str) -> None:
        argv = [sys.executable, "-m", "bascule", "chaos", "inject", *words, "--on", f"proxy:{rig.path}", "-o", str(run)]
        self.run = run
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.started.append(self.process)

    def acts(self) -> str:
        assert self.process.stderr is not None
        told = self.process.stderr.readline()
        assert told.startswith("It acts"), told + self.process.communicate()[0]
        return told

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        assert "is undone" in out

    def kill_with_watchdog(self) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if b"bascule.drill.watchdog" in words and str(self.run / "journal.jsonl").encode() in words:
                    os.kill(int(path.parent.name), signal.SIGKILL)
        self.process.kill()
        self.process.communicate()

    def die(self) -> None:
        """SIGKILL to the command and its watchdog, then `recover`."""
        self.kill_with_watchdog()
        done = bascule("chaos", "recover", self.run)
        assert done.returncode == 0, done.stdout + done.stderr

    def be_killed(self) -> None:
        """SIGKILL to the command alone: its watchdog undoes it."""
        self.process.kill()
        self.process.communicate()

    def be_halted(self) -> None:
        told = ""
        while (done := bascule("chaos", "halt", self.run)).returncode:
            told += done.stdout
        assert "undone: " in told + done.stdout
        self.process.wait(timeout=60)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    for process in ByHand.started:
        with process:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
    ByHand.started.clear()


def bascule(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "bascule", *map(str, words)]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture(
    params=[ByHand.end, ByHand.die, ByHand.be_killed, ByHand.be_halted],
    ids=["at Ctrl-C", "after SIGKILL of both", "after SIGKILL", "at a halt"],
)
def ended(request: pytest.FixtureRequest) -> Callable[[ByHand], None]:
    way: Callable[[ByHand], None] = request.param
    return way


def test_answers_are_late_and_another_toxic_of_the_proxy_stays(
    rig: Rig, caller: Caller, tmp_path: Path, ended: Callable[[ByHand], None]
) -> None:
    mine = Latency(latency_s=0.01, name="mine")
    rig.client.set_toxics("echo", mine)
    hand = ByHand(rig, tmp_path / "run", "proxy-latency", "proxy=echo", "latency_s=0.3")
    assert "acted" in hand.acts()
    caller.fresh(lambda: caller.took_s >= 0.3)
    ended(hand)
    wait_until(lambda: rig.client.status("echo").toxics == (mine,), "the fault is gone, and it alone")
    caller.fresh(lambda: caller.took_s < 0.3)


@pytest.mark.parametrize(
    "words",
    [
        ("proxy-reset-peer",),
        ("proxy-timeout", "timeout_s=0.1"),
        ("proxy-limit-data", "size_bytes=2"),
        ("proxy-down",),
    ],
    ids=str,
)
def test_calls_fail_and_are_whole_again(rig: Rig, caller: Caller, tmp_path: Path, words: tuple[str, ...]) -> None:
    caller.fresh(lambda: not caller.failed)
    hand = ByHand(rig, tmp_path / "run", words[0], "proxy=echo", *words[1:])
    hand.acts()
    caller.fresh(lambda: bool(caller.failed))
    hand.end()
    caller.fresh(lambda: not caller.failed)
    status = rig.client.status("echo")
    assert status.enabled
    assert status.toxics == ()


@pytest.mark.parametrize(
    "words",
    [
        ("proxy-bandwidth", "rate_bytes_per_s=20"),
        ("proxy-slicer", "average_bytes=1", "delay_s=0.05"),
        ("proxy-slow-close", "delay_s=0.2", "stream=upstream"),
    ],
    ids=str,
)
def test_the_other_toxics_act_by_name(rig: Rig, caller: Caller, tmp_path: Path, words: tuple[str, ...]) -> None:
    caller.fresh(lambda: not caller.failed)
    hand = ByHand(rig, tmp_path / "run", words[0], "proxy=echo", *words[1:])
    hand.acts()
    hand.end()
    assert rig.client.status("echo").toxics == ()


@pytest.mark.parametrize(
    "words",
    [
        ("proxy-http-status", "status=500"),
        ("proxy-http-corrupt-body",),
        ("proxy-http-slow-body", "rate_bytes_per_s=4000"),
        ("proxy-http-slow-answer", "delay_s=0.2", "path=/length"),
        ("proxy-http-cut-body", "method=GET"),
    ],
    ids=str,
)
def test_answers_of_a_web_server_go_wrong_by_name(
    rig: Rig, browsed: http.client.HTTPConnection, tmp_path: Path, words: tuple[str, ...]
) -> None:
    def get() -> tuple[int, bytes, float]:
        began_s = time.monotonic()
        line = http.client.HTTPConnection(browsed.host, browsed.port, timeout=PATIENCE_S)
        try:
            line.request("GET", "/length")
            answer = line.getresponse()
            return answer.status, answer.read(), time.monotonic() - began_s
        except http.client.IncompleteRead as error:
            return 200, error.partial, time.monotonic() - began_s
        finally:
            line.close()

    right = get()[:2]
    over = threading.Event()

    def browse() -> None:
        while not over.is_set():
            get()

    thread = threading.Thread(target=browse)
    thread.start()
    try:
        hand = ByHand(rig, tmp_path / "run", words[0], "proxy=web", *words[1:])
        hand.acts()
        status, body, took_s = get()
        assert (status, body) != right or took_s >= 0.2
        hand.end()
    finally:
        over.set()
        thread.join()
    assert get()[:2] == right
    assert rig.client.status("web").faults == ()


def test_a_proxy_that_nobody_calls_is_not_seen_to_act_and_nothing_stays(
    rig: Rig, proxied: ProxyStatus, tmp_path: Path
) -> None:
    hand = ByHand(rig, tmp_path / "run", "proxy-latency", f"proxy={proxied.name}", "latency_s=0.3")
    out, _ = hand.process.communicate(timeout=60)
    assert hand.process.returncode == 2
    assert "acted 0 times" in out
    assert rig.client.status("echo").toxics == ()


def test_two_injections_do_not_undo_each_other(rig: Rig, caller: Caller, tmp_path: Path) -> None:
    first = ByHand(rig, tmp_path / "first", "proxy-latency", "proxy=echo", "latency_s=0.2")
    first.acts()
    second = ByHand(rig, tmp_path / "second", "proxy-latency", "proxy=echo", "latency_s=0.1")
    second.acts()
    assert len(rig.client.status("echo").toxics) == 2
    first.end()
    assert [each.latency_s for each in rig.client.status("echo").toxics if isinstance(each, Latency)] == [0.1]
    second.end()
    caller.fresh(lambda: not caller.failed)


def test_a_proxy_process_that_was_started_again_is_another_and_recover_leaves_it_alone(
    rig: Rig, caller: Caller, proxied: ProxyStatus, tmp_path: Path
) -> None:
    hand = ByHand(rig, tmp_path / "run", "proxy-latency", "proxy=echo", "latency_s=0.2")
    hand.acts()
    toxics = rig.client.status("echo").toxics
    hand.kill_with_watchdog()
    caller.over.set()
    caller.join()
    rig.close()
    again = Rig(rig.path.parent)
    try:
        again.client.create("echo", proxied.upstream)
        again.client.set_toxics("echo", *toxics)  # the same name, by somebody else's hand
        done = bascule("chaos", "recover", tmp_path / "run")
        assert done.returncode == 0, done.stdout
        assert "the platform is gone" in done.stdout
        assert again.client.status("echo").toxics == toxics
    finally:
        again.close()


def test_a_proxy_process_that_is_gone_needs_no_undo(rig: Rig, caller: Caller, tmp_path: Path) -> None:
    hand = ByHand(rig, tmp_path / "run", "proxy-latency", "proxy=echo", "latency_s=0.2")
    hand.acts()
    caller.over.set()
    caller.join()
    rig.close()
    hand.process.send_signal(signal.SIGINT)
    hand.process.communicate(timeout=60)
    wait_until(
        lambda: bascule("chaos", "status", tmp_path / "run").returncode == 0, "the watchdog noted that it is gone"
    )


def test_the_words_of_the_command_line(rig: Rig, caller: Caller, proxied: ProxyStatus, tmp_path: Path) -> None:
    added = bascule("proxy", "add", rig.path, "more", proxied.upstream)
    assert added.returncode == 0, added.stderr
    host, _, number = added.stdout.strip().rpartition(":")
    assert host == "127.0.0.1"
    assert int(number) == port(rig.client.status("more"))
    listed = json.loads(bascule("proxy", "list", rig.path, "--json").stdout)
    assert [one["name"] for one in listed] == ["echo", "more"]
    hand = ByHand(rig, tmp_path / "run", "proxy-latency", "proxy=echo", "latency_s=0.1")
    hand.acts()
    assert "injected-" in bascule("proxy", "list", rig.path).stdout
    hand.end()
    removed = bascule("proxy", "remove", rig.path, "more")
    assert removed.returncode == 0
    assert "more is removed: 0 connections" in removed.stdout
    again = bascule("proxy", "remove", rig.path, "more", "--json")
    assert again.returncode == 2
    assert "there is no proxy more" in json.loads(again.stdout)["error"]
    caller.fresh(lambda: not caller.failed)


def test_run_is_a_proxy_process_until_it_is_told_to_end(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    argv = [sys.executable, "-m", "bascule", "proxy", "run", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert bascule("proxy", "list", path).stdout == "there is no proxy\n"
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert not path.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("proxy-latency", "proxy=echo", "latency_s=1", "--on", "proxy:/nowhere/at/all"), "no proxy process answers"),
        (("proxy-latency", "proxy=echo", "latency_s=1", "--on", "lab"), "is no target"),
        (("proxy-latency", "proxy=echo", "latency_s=1", "--on", "proxy:"), "is no place for a fault"),
        (("proxy-latency", "proxy=echo", "latency_s=1"), "where shall the fault act"),
    ],
)
def test_a_wrong_place_is_refused(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    done = bascule("chaos", "inject", *words, "-o", tmp_path / "run")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_fault_of_a_lab_is_refused_at_a_proxy(rig: Rig, tmp_path: Path) -> None:
    where = ("--on", f"proxy:{rig.path}", "-o", tmp_path / "run")
    done = bascule("chaos", "inject", "process-kill", "member=a", *where)
    assert done.returncode == 2
    assert "a proxy process has proxies alone" in done.stderr
