"""The service manager hears what it should, on a real socket; and one that does not listen disturbs nobody."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bascule.cluster.agent.notify import ServiceManager


@contextmanager
def manager(address: str | bytes) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(20)
        yield listening


def heard(listening: socket.socket) -> list[str]:
    return listening.recv(65536).decode().split("\n")


def test_it_hears_of_the_whole_life_of_an_agent(tmp_path: Path) -> None:
    with manager(str(tmp_path / "notify")) as listening:
        one = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert one.is_there
        assert one.ready("holds edge")
        assert heard(listening) == ["READY=1", "STATUS=holds edge"]
        before_us = time.monotonic_ns() // 1000
        assert one.reloading()
        line, moment = heard(listening)
        assert line == "RELOADING=1"
        assert before_us <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
        assert one.ready()
        assert heard(listening) == ["READY=1"]
        assert one.status("stands by for edge")
        assert heard(listening) == ["STATUS=stands by for edge"]
        assert one.extend(1.5)
        assert heard(listening) == ["EXTEND_TIMEOUT_USEC=1500000"]
        assert one.stopping("gives edge back")
        assert heard(listening) == ["STOPPING=1", "STATUS=gives edge back"]


def test_a_name_of_the_abstract_namespace_is_a_place_as_well() -> None:
    name = f"bascule-{secrets.token_hex(8)}"
    with manager(b"\0" + name.encode()) as listening:
        assert ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert heard(listening) == ["READY=1"]


def test_a_status_is_one_line_and_holds_no_other_message(tmp_path: Path) -> None:
    with manager(str(tmp_path / "notify")) as listening:
        one = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert one.status("x\nSTOPPING=1\r\0\x1b[2J\u2028y " + "z" * 5000)
        (line,) = heard(listening)
        assert line.startswith("STATUS=x STOPPING=1 [2J y zzz")
        assert len(line) < 1100
        assert one.status("")
        assert heard(listening) == ["STATUS="]


def test_it_is_told_that_the_agent_lives_only_where_it_wants_to_know(tmp_path: Path) -> None:
    place = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    with manager(str(tmp_path / "notify")) as listening:
        own = ServiceManager({**place, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())})
        assert own.alive_every_s == 1.5
        assert own.alive()
        assert heard(listening) == ["WATCHDOG=1"]
        assert ServiceManager({**place, "WATCHDOG_USEC": "3000000"}).alive_every_s == 1.5
        for other in (
            {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "-5"},
            {"WATCHDOG_USEC": "x"},
            {"WATCHDOG_USEC": "٣"},
            {"WATCHDOG_USEC": "9" * 40},
            {},
        ):
            one = ServiceManager({**place, **other})
            assert one.alive_every_s is None
            assert not one.alive()


@pytest.mark.parametrize("place", ["", "/", "@", "relative", "vsock:2:1234", "/x" * 60, "/a\0b", "/nowhere/it"])
def test_where_nobody_listens_nothing_happens(place: str) -> None:
    one = ServiceManager({"NOTIFY_SOCKET": place} if place else {})
    assert not one.ready()
    assert not one.stopping()


def test_it_is_found_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    with manager(str(tmp_path / "notify")) as listening:
        assert ServiceManager().ready()
        assert heard(listening) == ["READY=1"]


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    with manager(str(tmp_path / "notify")):
        one = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "3000000"})
        taken = 0
        while one.alive():
            taken += 1
        assert taken
        assert not one.ready()


def test_no_file_stays_open(tmp_path: Path) -> None:
    with manager(str(tmp_path / "notify")):
        one = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        before = len(list(Path("/proc/self/fd").iterdir()))
        one.ready()
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
        assert len(list(Path("/proc/self/fd").iterdir())) == before
