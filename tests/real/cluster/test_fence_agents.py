"""A node is off for sure when a fence says so: with a process that is really ended, and agents that fail or lie."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.real.cluster import fence_process
from tests.real.cluster.daemons import DEADLINE_S, need, wait_until
from tests.real.cluster.rig_command import has_children

from bascule.cluster.agent.registry import choose, make_other
from bascule.cluster.fencing import fence_agents
from bascule.kernel.errors import FenceError, InputError, MissingProgramError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real
PASSWORD = "open sesame"


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, DEADLINE_S))


@pytest.fixture
def node() -> Iterator[subprocess.Popen[bytes]]:
    """What is fenced."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as process:
        yield process
        process.kill()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    path = tmp_path / "fence_process"
    path.write_text(f"#!/bin/sh\nexec {sys.executable} {fence_process.__file__}\n")
    path.chmod(0o700)
    return path


def options(agent: Path, secret: Path, pid: int, **parameters: str) -> fence_agents.Options:
    return fence_agents.Options(
        agent=str(agent),
        parameters={"plug": str(pid), **parameters},
        secret_files={"password": str(secret)},
        timeout=Duration(10.0),
        confirm_within=Duration(0.3),
        retries=0,
        retry_pause=Duration(0.05),
    )


def changed(one: fence_agents.Options, **changes: Any) -> fence_agents.Options:
    values = {name: getattr(one, name) for name in one.__struct_fields__}
    return fence_agents.Options(**{**values, **changes})


def is_running(node: subprocess.Popen[bytes]) -> bool:
    return node.poll() is None


def test_it_is_off_when_the_fence_returns(agent: Path, secret: Path, node: subprocess.Popen[bytes]) -> None:
    run(fence_agents.make(options(agent, secret, node.pid)).fence("edge-1"))
    assert not is_running(node)


def test_one_that_is_off_already_is_confirmed(agent: Path, secret: Path, node: subprocess.Popen[bytes]) -> None:
    fence = fence_agents.make(changed(options(agent, secret, node.pid, mood="liar")))
    node.kill()
    node.wait()
    run(fence.fence("edge-1"))


def test_an_agent_that_only_says_so_is_not_believed(agent: Path, secret: Path, node: subprocess.Popen[bytes]) -> None:
    with pytest.raises(
        FenceError, match="not sure that edge-1 is off: `off` was done, but `status` says: on"
    ) as raised:
        run(fence_agents.make(options(agent, secret, node.pid, mood="liar")).fence("edge-1"))
    assert raised.value.where.startswith("fence /")
    assert "bascule cluster fence edge-1 --confirmed" in raised.value.hint
    assert is_running(node)


def test_a_script_that_is_broken_does_not_confirm_by_its_exit_code(
    agent: Path, secret: Path, node: subprocess.Popen[bytes]
) -> None:
    """Exit code 2 is `off`, and also what a shell says of a script that it cannot read."""
    with pytest.raises(FenceError, match="`off` failed: exit code 2"):
        run(fence_agents.make(options(agent, secret, node.pid, mood="broken")).fence("edge-1"))
    agent.write_text("#!/bin/sh\nif then fi (\n")
    with pytest.raises(FenceError, match="`off` failed: exit code 2"):
        run(fence_agents.make(options(agent, secret, node.pid)).fence("edge-1"))
    assert is_running(node)


def test_one_that_takes_its_time_to_die_is_waited_for(agent: Path, secret: Path, node: subprocess.Popen[bytes]) -> None:
    patient = changed(options(agent, secret, node.pid, mood="slow"), confirm_within=Duration(20))
    run(fence_agents.make(patient).fence("edge-1"))
    assert not is_running(node)


def test_an_agent_that_failed_once_is_tried_again(
    agent: Path, secret: Path, node: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    flaky = options(agent, secret, node.pid, mood="flaky", notes=str(tmp_path / "notes"))
    with pytest.raises(FenceError):
        run(fence_agents.make(flaky).fence("edge-1"))
    assert is_running(node)
    (tmp_path / "notes").unlink()
    run(fence_agents.make(changed(flaky, retries=1)).fence("edge-1"))
    assert not is_running(node)


def test_an_agent_that_hangs_is_ended_and_confirms_nothing(
    agent: Path, secret: Path, node: subprocess.Popen[bytes]
) -> None:
    hanging = changed(options(agent, secret, node.pid, mood="hangs"), timeout=Duration(0.5))
    with pytest.raises(FenceError, match="`off` failed: it did not end in time"):
        run(fence_agents.make(hanging).fence("edge-1"))
    assert is_running(node)


def test_a_fence_that_is_cancelled_leaves_no_agent(agent: Path, secret: Path, node: subprocess.Popen[bytes]) -> None:
    node.kill()
    node.wait()

    async def scenario() -> None:
        fence = fence_agents.make(changed(options(agent, secret, os.getpid(), mood="hangs"), timeout=Duration(100)))
        task = asyncio.create_task(fence.fence("edge-1"))
        await asyncio.to_thread(wait_until, has_children, "it does not start")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not has_children()

    run(scenario())


def test_the_password_is_on_standard_input_alone(
    agent: Path, secret: Path, node: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    run(fence_agents.make(options(agent, secret, node.pid, log=str(tmp_path / "log"))).fence("edge-1"))
    logged = (tmp_path / "log").read_text()
    assert logged.startswith("off ")
    assert "\nstatus " in logged
    assert "sesame" not in logged


@pytest.mark.parametrize("word", ["wrong horse", "a b", "x" * 500])
def test_a_password_that_an_agent_tells_gets_into_no_error(
    agent: Path, secret: Path, node: subprocess.Popen[bytes], word: str
) -> None:
    secret.write_text(word + "\n")
    fence = fence_agents.make(options(agent, secret, node.pid))
    with pytest.raises(FenceError, match=r"login failed with password \*\*\*") as raised:
        run(fence.fence("edge-1"))
    assert word not in str(raised.value)
    assert word[-4:] not in str(raised.value)
    assert word not in repr(fence.__dict__["_options"])


def test_it_can_be_tried_out_without_cutting_anybody_off(
    agent: Path, secret: Path, node: subprocess.Popen[bytes]
) -> None:
    run(fence_agents.make(options(agent, secret, node.pid)).try_out())
    with pytest.raises(FenceError, match="has no status"):
        run(fence_agents.make(options(agent, secret, node.pid, mood="old")).try_out())
    with pytest.raises(FenceError, match="has no metadata"):
        run(fence_agents.make(options(agent, secret, node.pid, mood="broken")).try_out())
    secret.write_text("wrong\n")
    with pytest.raises(FenceError, match="its device does not answer: exit code 1"):
        run(fence_agents.make(options(agent, secret, node.pid)).try_out())
    assert is_running(node)


def test_a_file_that_others_can_read_is_refused(agent: Path, secret: Path) -> None:
    secret.chmod(0o644)
    with pytest.raises(InputError) as refused:
        fence_agents.make(options(agent, secret, 1))
    assert refused.value.where == "secret_files.password"


def dummy(state: Path) -> dict[str, Any]:
    program = need("fence_dummy", "fence-agents")
    return {"kind": "fence_agent", "agent": program, "parameters": {"status_file": str(state)}, "retries": 0}


def made(document: dict[str, Any]) -> fence_agents.FenceAgent:
    chosen, findings = choose(document, "fence", "fences.edge-1")
    assert not findings, findings
    assert chosen is not None
    fence = make_other(chosen)
    assert isinstance(fence, fence_agents.FenceAgent)
    return fence


def test_a_real_agent_of_the_distribution_does_as_the_convention_says(tmp_path: Path) -> None:
    state = tmp_path / "state"
    fence = made(dummy(state))
    run(fence.try_out())
    state.write_text("on")
    asked = f"action=status\nstatus_file={state}\n".encode()
    program = need("fence_dummy", "fence-agents")
    assert subprocess.run([program], input=asked, check=False, capture_output=True).returncode == 0
    run(fence.fence("edge-1"))
    assert state.read_text() == "off"
    assert subprocess.run([program], input=asked, check=False, capture_output=True).returncode == fence_agents.OFF


@pytest.mark.parametrize(
    "name", ["fence_ipmilan", "fence_virsh", "fence_apc_snmp", "fence_redfish", "fence_vmware_rest"]
)
def test_what_real_agents_can_do_is_read_from_their_metadata(name: str) -> None:
    """No device of theirs is here: it is the question after the metadata that fails, in time."""
    need(name, "fence-agents")
    document = {"kind": "fence_agent", "agent": name, "parameters": {"ip": "127.0.0.1", "username": "x"}}
    with pytest.raises(FenceError, match="its device does not answer"):
        run(made({**document, "status_timeout": "10s"}).try_out())


def test_an_agent_that_is_not_there_is_told_at_the_start() -> None:
    with pytest.raises(MissingProgramError) as missing:
        fence_agents.make(fence_agents.Options(agent="fence_of_nobody"))
    assert "fence-agents" in missing.value.hint


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"agent": ""}, "agent"),
        ({"agent": "bin/fence"}, "agent"),
        ({"agent": "a\0b"}, "agent"),
        ({"parameters": {"password": "open sesame"}}, "parameters.password"),
        ({"parameters": {"passwd": "open sesame"}}, "parameters.passwd"),
        ({"parameters": {"snmp_auth_passwd": "open sesame"}}, "parameters.snmp_auth_passwd"),
        ({"parameters": {"api_key": "open sesame"}}, "parameters.api_key"),
        ({"parameters": {"secret_key": "open sesame"}}, "parameters.secret_key"),
        ({"parameters": {"ip": "1\naction=on"}}, "parameters.ip"),
        ({"parameters": {"ip\naction": "on"}}, "parameters"),
        ({"parameters": {"action": "on"}}, "parameters"),
        ({"parameters": {"a=b": "on"}}, "parameters"),
        ({"parameters": {"ip": "x" * 5000}}, "parameters.ip"),
        ({"parameters": {"x": "1"}, "secret_files": {"x": "/x"}}, "secret_files"),
        ({"secret_files": {"password": "/nowhere/it"}}, "secret_files.password"),
        ({"timeout": Duration(0)}, "timeout"),
        ({"confirm_within": Duration(3600)}, "confirm_within"),
        ({"retries": 11}, "retries"),
        ({"retries": -1}, "retries"),
    ],
)
def test_what_cannot_be_used_is_refused(agent: Path, changes: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError) as refused:
        fence_agents.make(changed(fence_agents.Options(agent=str(agent)), **changes))
    assert refused.value.where == where
    assert "sesame" not in str(refused.value)


def test_switches_are_told_as_agents_know_them(tmp_path: Path) -> None:
    told = tmp_path / "told"
    agent = tmp_path / "fence_echo"
    agent.write_text(f"#!/bin/sh\ncat > {told}\nexit 2\n")
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    parameters: dict[str, str | int | bool] = {"lanplus": True, "verbose": False, "ipport": 623, "ip": "10.0.0.1"}
    with pytest.raises(FenceError):
        run(fence_agents.make(fence_agents.Options(agent=str(agent), parameters=parameters, retries=0)).fence("x"))
    assert told.read_text() == "action=off\nlanplus=1\nverbose=0\nipport=623\nip=10.0.0.1\n"
