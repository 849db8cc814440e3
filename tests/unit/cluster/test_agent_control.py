from __future__ import annotations

import asyncio
import os
import pwd
import socket
import stat
from pathlib import Path
from typing import Literal

import pytest

from bascule.cluster.agent import control
from bascule.cluster.agent.control import Control, Request, ask
from bascule.kernel.errors import ClusterError, InputError, MachineError


async def answer(request: Request) -> object:
    if request.do == "pause":
        raise ClusterError("not now", hint="later")
    return {"did": request.do, "group": request.group}


def test_a_request_is_answered_and_an_error_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "run" / "agent.sock"

    async def scene() -> None:
        ours = Control(path, answer)
        await ours.start()
        try:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            told = await asyncio.to_thread(ask, path, Request(do="switchover", group="g"))
            assert b'"group":"g"' in bytes(told)
            with pytest.raises(ClusterError, match="not now"):
                await asyncio.to_thread(ask, path, Request(do="pause"))
            with pytest.raises(MachineError, match="another agent"):
                await Control(path, answer).start()
        finally:
            await ours.close()

    asyncio.run(scene())
    assert not path.exists()


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b'{"do":"explode"}\n', b"[" * 50_000 + b"\n", b"x" * 200_000])
def test_nonsense_does_no_harm(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "agent.sock"

    def talk() -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(path))
            try:
                connection.sendall(line)
                connection.shutdown(socket.SHUT_WR)
                return connection.recv(65536)
            except (BrokenPipeError, ConnectionResetError):
                return b""

    async def scene() -> None:
        ours = Control(path, answer)
        await ours.start()
        try:
            told = await asyncio.to_thread(talk)
            assert not told or b"error" in told
            assert b"status" in bytes(await asyncio.to_thread(ask, path, Request(do="status")))
        finally:
            await ours.close()

    asyncio.run(scene())


def test_a_socket_that_a_dead_agent_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()

    async def scene() -> None:
        ours = Control(path, answer)
        await ours.start()
        await ours.close()

    asyncio.run(scene())


def test_no_agent_is_said_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no agent runs here"):
        ask(tmp_path / "none.sock", Request(do="status"))
    with pytest.raises(ClusterError, match="systemctl status bascule-agent"):
        ask(tmp_path / "none.sock", Request(do="status"))


@pytest.mark.parametrize(("do", "told"), [("status", "starved\\? "), ("pause", "may be done all the same")])
def test_a_frozen_agent_is_told_with_its_process(tmp_path: Path, do: Literal["status", "pause"], told: str) -> None:
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(path))
        frozen.listen(0)
        with pytest.raises(ClusterError, match=f"does not answer for 0.01 s.*{told}.*-p {os.getpid()};"):
            ask(path, Request(do=do), timeout_s=0.01)
        with pytest.raises(ClusterError, match=r"is there and does not answer"):  # the kernel has no room for one more
            ask(path, Request(do=do), timeout_s=0.01)


def test_a_status_is_waited_for_shortly_and_an_order_for_as_long_as_it_may_take() -> None:
    assert control.STATUS_WAIT_S == 3.0
    assert control.ORDER_WAIT_S > control.ANSWER_LIMIT_S


@pytest.mark.parametrize(
    ("error", "told"), [(TimeoutError(), "took too long"), (OSError(28, "No space left"), "not done: No space left")]
)
def test_an_order_that_fails_below_is_answered(tmp_path: Path, error: OSError, told: str) -> None:
    async def fails(_: Request) -> object:
        raise error

    async def scene() -> None:
        ours = Control(tmp_path / "agent.sock", fails)
        await ours.start()
        try:
            with pytest.raises(ClusterError, match=told):
                await asyncio.to_thread(ask, tmp_path / "agent.sock", Request(do="pause"), 5)
        finally:
            await ours.close()

    asyncio.run(scene())


def test_a_path_that_is_too_long_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="path too long"):
        asyncio.run(Control(tmp_path / ("x" * 120), answer).start())


@pytest.mark.parametrize("named", [True, False])
def test_a_closed_socket_is_told_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    def closed(*_: object) -> bytes:
        raise PermissionError

    def nameless(uid: int) -> object:
        raise KeyError(uid)

    monkeypatch.setattr(control, "_line", closed)
    user = pwd.getpwuid(os.getuid()).pw_name
    if not named:
        monkeypatch.setattr("pwd.getpwuid", nameless)
        user = f"'#{os.getuid()}'"
    with pytest.raises(InputError) as told:
        ask(tmp_path / "agent.sock", Request(do="status"))
    assert told.value.hint == f"ask as its owner: sudo -u {user} bascule cluster status"
