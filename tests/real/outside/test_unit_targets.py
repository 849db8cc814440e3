"""Units of a real systemd: the user's own kind, locked up in namespaces, where the agent goes in to them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cluster.daemons import need
from tests.real.cluster.rig_systemd import UserManagerRig, user_manager_rig
from tests.real.outside.outside_rig import eventually, state

from bascule.chaos.faults.catalogue import parse as described
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import FaultError
from bascule.outside import link
from bascule.outside.address import Address, parse
from bascule.outside.link import Link
from bascule.outside.platform import OutsidePlatform

pytestmark = pytest.mark.real
WEB, KEPT = "user-unit:two.service", "user-unit:kept.service"
TWO = "ExecStart=/bin/sh -c 'sleep 1000 & exec sleep 1000'"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserManagerRig]:
    with user_manager_rig(tmp_path_factory.mktemp("systemd")) as found:
        found.unit("two.service", TWO)
        found.unit("kept.service", TWO, "Restart=always", "RestartSec=100ms")
        found.unit("idle.service", TWO)
        found.unit("unstartable.service", TWO)
        found.systemctl("daemon-reload")
        found.systemctl("start", "two.service", "kept.service")
        yield found


def link_into(rig: UserManagerRig, run: str) -> Link:
    inside = rig.program.read_text().split("nsenter -t ")[1].split()[0]
    enter = (need("nsenter", "util-linux"), "-t", inside, "-m", "-p", "-C", "-n")
    python, *words = link.here(run)
    found = os.path.realpath(python)  # a virtual environment below /tmp or /var/tmp is not seen in there
    return Link((*enter, "env", "XDG_RUNTIME_DIR=/mnt/run", "HOME=/mnt/home", found, *words), "the namespaces")


def met(rig: UserManagerRig, name: str, lease_s: float = 20.0) -> OutsidePlatform:
    return OutsidePlatform(lambda: link_into(rig, "units"), {name: parse(name)}, "units", lease_s=lease_s)


@pytest.fixture(params=[WEB, KEPT])
def platform(rig: UserManagerRig, request: pytest.FixtureRequest) -> Iterator[OutsidePlatform]:
    found = met(rig, request.param)
    yield found
    found.close()


def pids(rig: UserManagerRig, name: str) -> list[int]:
    """The unit's processes, as the kernel shows them outside the namespaces."""
    unit = name.partition(":")[2]
    lists = rig._group.rglob(f"{unit}/cgroup.procs")
    return [int(word) for one in lists for word in one.read_text().split()]


def whole(rig: UserManagerRig, name: str) -> bool:
    return [state(pid) for pid in pids(rig, name)] == ["S", "S"]


@pytest.mark.parametrize(
    "words",
    [
        ("process-freeze",),
        ("process-slow",),
        ("descriptors-exhausted",),
        ("process-kill",),
        ("process-crash-loop",),
        ("process-kill-main", "command=sleep"),
    ],
    ids=lambda words: words[0],
)
def test_every_fault_acts_on_a_unit_and_is_undone(
    rig: UserManagerRig, platform: OutsidePlatform, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (name,) = platform.seen
    eventually(lambda: whole(rig, name))
    fault = described(words[0], (f"member={name}", *words[1:]))
    one = Injection(
        fault,
        platform,
        Journal(tmp_path / "journal.jsonl"),
        reference=PlatformRef(kind="test", directory="/"),
        number=1,
        clock=SystemClock(),
        sleep=time.sleep,
    )
    before = pids(rig, name)
    struck = one.strike()
    assert struck.witness.seen, struck.witness.evidence
    if words[0] == "process-kill":
        assert pids(rig, name) == []
        assert rig.systemctl("is-active", name.partition(":")[2]).stdout.strip() != "active"
    if words[0] == "process-freeze":
        assert [state(pid) for pid in before] == ["T", "T"]
    one.undo()
    eventually(lambda: whole(rig, name))


def test_a_unit_that_is_killed_stays_down_though_systemd_would_start_it(rig: UserManagerRig) -> None:
    platform = met(rig, KEPT)
    platform.kill(KEPT)
    until_s = time.monotonic() + 1.0
    while time.monotonic() < until_s:
        assert pids(rig, KEPT) == []
    platform.close()
    eventually(lambda: whole(rig, KEPT))


def test_a_unit_is_started_again_when_the_line_is_cut(rig: UserManagerRig) -> None:
    platform = met(rig, WEB)
    platform.kill(WEB)
    assert pids(rig, WEB) == []
    platform.link.cut()
    eventually(lambda: whole(rig, WEB))
    platform.close()


@pytest.mark.alone
def test_a_unit_is_freed_when_its_agent_is_killed_and_another_comes(rig: UserManagerRig) -> None:
    platform = met(rig, WEB)
    platform.freeze(WEB)
    (agent,) = [pid for pid in every_pid() if is_agent(pid)]
    os.kill(agent, signal.SIGKILL)
    assert [state(pid) for pid in pids(rig, WEB)] == ["T", "T"]
    platform.thaw(WEB)
    assert whole(rig, WEB)
    platform.close()


def every_pid() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def is_agent(pid: int) -> bool:
    """Whether it is the agent itself, and not what stands between it and us."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it ended
        return False
    return line[-3:-1] == [b"bascule-agent", b"units"] and b"nsenter" not in line[0]


def test_units_that_do_not_run_or_are_not_there_are_refused(rig: UserManagerRig) -> None:
    platform = met(rig, "user-unit:idle.service")
    assert platform.refusal("process") == "it has no process that lives"
    platform.close()
    with pytest.raises(FaultError, match="no unit that is loaded here"):
        met(rig, "user-unit:missing.service")


def test_where_no_service_manager_runs_units_are_refused(tmp_path: Path) -> None:
    if Path("/run/systemd/system").exists():
        pytest.skip("this machine runs systemd")
    with pytest.raises(FaultError, match="systemctl"):
        OutsidePlatform(lambda: Link(link.here("none"), "here"), {"it": Address(unit="a.service")}, "none")
    assert not list(tmp_path.iterdir())
