"""What is never broken: what no list allows, what nobody confirmed, what keeps bascule or the machine running."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cluster.daemons import need
from tests.real.outside.outside_rig import Worker, allow, bascule, eventually, state, working

from bascule.chaos.faults import ProcessFreeze
from bascule.chaos.injection import undo
from bascule.chaos.journal import PlatformRef
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import FaultError
from bascule.outside import link, reach
from bascule.outside.address import Address, parse
from bascule.outside.link import Link
from bascule.outside.platform import OutsidePlatform

pytestmark = pytest.mark.real
IMPATIENT = """
import os, signal, sys, threading
from bascule.outside import reach
from bascule.outside.address import parse
name = sys.argv[1]
platform, _ = reach.meet(parse(name))
for count in range(30):
    try:
        threading.Timer(0.0005 * count, os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            platform.freeze(name)
            platform.thaw(name)
    except KeyboardInterrupt:
        platform.thaw(name)
        assert platform.processes(name)[0].state == "running"
platform.close()
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with working(tmp_path / "worker") as found:
        yield found


@pytest.fixture
def rules(tmp_path: Path, worker: Worker) -> Path:
    return allow(tmp_path / "allow.yaml", {"words": [*worker.argv], "faults": ["process-freeze"]})


def inject(worker: Worker, rules: Path, *words: str) -> tuple[int, str]:
    """Refused, and nothing of the process has changed."""
    fault, *more = words or ("process-freeze", "--yes")
    run = rules.parent / "run"
    code, told = bascule(
        "chaos", "inject", fault, *more, "--on", worker.name, "--allow", rules, "--for", "1s", "-o", run
    )
    assert worker.works()
    assert not (run / "journal.jsonl").exists()
    return code, told


def test_a_dry_run_says_what_it_is_and_what_would_be_done(worker: Worker, rules: Path) -> None:
    code, told = inject(worker, rules, "process-freeze", "--dry-run")
    assert code == 0, told
    for line in (
        f"target {worker.name}",
        f"main process {worker.pid}, 1 in all",
        f"stop every process of {worker.name}",
    ):
        assert line in told


def test_without_a_list_nothing_is_broken(worker: Worker, tmp_path: Path) -> None:
    code, told = inject(worker, tmp_path / "missing.yaml")
    assert (code, "there is no allow-list" in told) == (2, True), told


def test_what_the_list_does_not_name_is_not_broken(worker: Worker, rules: Path) -> None:
    allow(rules, {"program": "/usr/bin/true", "faults": ["all"]}, {"unit": "web.service", "faults": ["all"]})
    code, told = inject(worker, rules)
    assert (code, "is not in the allow-list" in told) == (2, True), told
    allow(rules, {"words": [*worker.argv], "user": "somebody-else", "faults": ["all"]})
    assert "is not in the allow-list" in inject(worker, rules)[1]
    allow(rules, {"words": [*worker.argv], "host": "far", "faults": ["all"]})
    assert "is not in the allow-list" in inject(worker, rules)[1]


def test_a_fault_that_the_list_does_not_name_is_not_done(worker: Worker, rules: Path) -> None:
    code, told = inject(worker, rules, "process-slow", "--yes")
    assert (code, "process-slow is not allowed" in told) == (2, True), told
    assert "process-freeze" in told


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_a_list_that_others_may_write_is_not_believed(worker: Worker, rules: Path, mode: int) -> None:
    rules.chmod(mode)
    code, told = inject(worker, rules)
    assert (code, "others may write it" in told) == (2, True), told


def test_a_list_that_others_may_replace_or_own_is_not_believed(worker: Worker, rules: Path) -> None:
    place = rules.parent / "open"
    place.mkdir()
    allow(place / "allow.yaml", {"words": [*worker.argv], "faults": ["all"]})
    (rules.parent / "alias.yaml").symlink_to(place / "allow.yaml")
    place.chmod(0o777)
    assert "others may write it" in inject(worker, rules.parent / "alias.yaml")[1]
    if os.geteuid() == 0:
        os.chown(rules, 12345, 12345)
        assert "belongs to another user" in inject(worker, rules)[1]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"words": ["x"], "faults": ["process-freeze"], "unknown": 1}, "unknown"),
        ({"words": ["x"], "faults": ["freeze-process"]}, "no fault is called"),
        ({"words": ["x"], "faults": []}, "no fault is allowed"),
        ({"faults": ["all"]}, "a target is a unit"),
        ({"unit": "a.service", "command": "a", "faults": ["all"]}, "a target is a unit"),
        ({"unit": "a.service", "restart": ["a"], "faults": ["all"]}, "no restart command"),
    ],
    ids=str,
)
def test_a_mistake_in_the_list_is_told_with_its_place(
    worker: Worker, rules: Path, rule: dict[str, object], told: str
) -> None:
    allow(rules, rule)
    code, said = inject(worker, rules)
    assert (code, told in said, f"{rules}:1" in said) == (2, True, True), said


def test_nothing_is_done_when_nobody_can_be_asked(worker: Worker, rules: Path) -> None:
    code, told = inject(worker, rules, "process-freeze")
    assert (code, "was not confirmed" in told) == (2, True), told


@pytest.mark.parametrize(
    ("words", "is_safe"),
    [
        (("bascule.drill.watchdog", "journal"), True),
        (("exec python3 bascule-agent x",), True),
        (("bascule", "chaos", "inject"), True),
        (("bascule", "agent", "web.toml"), False),
    ],
    ids=str,
)
def test_what_undoes_faults_is_not_broken(words: tuple[str, ...], is_safe: bool) -> None:
    argv = [sys.executable, "-c", "import sys; sys.stdin.read()", *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        platform, _ = reach.meet(parse(f"pid:{process.pid}"))
        assert ("is there to undo a fault" in platform.refusal("process")) == is_safe
        platform.close()


@pytest.mark.parametrize("right", [True, False])
def test_a_person_types_the_name_of_the_target(worker: Worker, rules: Path, right: bool) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, f"{worker.name if right else 'yes'}\n".encode())
    run = rules.parent / "run"
    code, told = bascule(
        "chaos", "inject", "process-freeze", "--on", worker.name, "--allow", rules, "--for", "100ms", "-o", run,
        stdin=theirs,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert (run / "journal.jsonl").exists() == right
    assert (code, f"Type {worker.name} to go on" in told) == (0 if right else 3, True), told
    eventually(worker.works)


def test_a_bare_process_that_nobody_can_start_again_is_not_killed(worker: Worker, rules: Path) -> None:
    allow(rules, {"words": [*worker.argv], "faults": ["all"]})
    for fault in (("process-kill",), ("process-crash-loop",), ("process-kill-main", "command=python")):
        code, told = inject(worker, rules, *fault, "--yes")
        assert (code, "the allow-list names no restart command" in told) == (2, True), told


def test_what_needs_hosts_or_the_network_is_refused_with_the_reason(worker: Worker, rules: Path) -> None:
    allow(rules, {"words": [*worker.argv], "faults": ["all"]})
    for fault, why in (("partition", "no packets are touched"), ("power-loss", "not switched off")):
        code, told = inject(worker, rules, fault, "hosts=a", "--yes")
        assert (code, why in told) == (2, True), told


def test_bascule_does_not_break_what_keeps_it_running(tmp_path: Path) -> None:
    own = Path("/proc/self/exe").resolve()
    rules = allow(tmp_path / "allow.yaml", {"program": str(own), "faults": ["all"]})
    code, told = bascule("chaos", "inject", "process-freeze", "--on", f"pid:{os.getpid()}", "--allow", rules, "--yes")
    assert (code, "is bascule itself, or keeps it running" in told) == (2, True), told


@pytest.mark.parametrize(
    "name", ["pid:1", "pid:0", "pid:01", "pid:-5", "unit:sshd.service", "unit:-x.service", "unit:a"]
)
def test_some_names_are_no_targets_at_all(name: str, tmp_path: Path) -> None:
    assert bascule("chaos", "inject", "process-freeze", "--on", name, "--allow", tmp_path, "--yes")[0] == 2


def test_threads_of_the_kernel_and_processes_that_are_gone_are_refused(worker: Worker) -> None:
    if b"kthreadd" in Path("/proc/2/comm").read_bytes():
        platform, _ = reach.meet(parse("pid:2"))
        assert "belongs to the kernel" in platform.refusal("process")
        platform.close()
    worker.end()
    with pytest.raises(FaultError, match="no process has the pid"):
        reach.meet(parse(worker.name))


def test_a_process_of_another_user_is_refused_to_an_ordinary_one(worker: Worker) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    become = (need("setpriv", "util-linux"), "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/env")
    python = ("python3", *link.here("other")[1:])
    platform = OutsidePlatform(
        lambda: Link((*become, "PATH=/usr/bin:/bin", *python), "here"), {"it": Address(pid=worker.pid)}, "other"
    )
    assert "may not signal it" in platform.refusal("process")
    platform.close()


def test_another_process_that_has_the_pid_by_now_is_never_touched(worker: Worker) -> None:
    """The journal knows a process by its start time: the one that has its pid now is stopped, and stays so."""
    platform, reference = reach.meet(parse(worker.name))
    platform.close()
    run, boot, start = reference.identity.split("/")
    os.kill(worker.pid, signal.SIGSTOP)
    eventually(lambda: state(worker.pid) == "T")
    later = PlatformRef(kind="local", directory="", identity=f"{run}/{boot}/{int(start) - 1}", target=reference.target)
    found = reach.attach(later)
    assert found is not None
    assert found.processes(worker.name) == ()
    undo(ProcessFreeze(member=worker.name), found, clock=SystemClock(), sleep=time.sleep)
    assert found.freeze(worker.name) == ()
    found.close()
    assert state(worker.pid) == "T"
    os.kill(worker.pid, signal.SIGCONT)


def test_after_a_reboot_nothing_is_left_to_undo(worker: Worker) -> None:
    platform, reference = reach.meet(parse(worker.name))
    platform.close()
    run, _, start = reference.identity.split("/")
    other = f"{run}/00000000-0000-0000-0000-000000000000/{start}"
    assert reach.attach(PlatformRef(kind="local", directory="", identity=other, target=worker.name)) is None


def test_an_agent_that_hears_nothing_undoes_what_it_holds(worker: Worker) -> None:
    platform, _ = reach.meet(parse(worker.name), lease_s=1.0)
    platform.freeze(worker.name)
    assert state(worker.pid) == "T"
    eventually(worker.works)
    assert platform.processes(worker.name)[0].state == "running"
    platform.close()


def test_an_interrupted_order_leaves_no_answer_behind(worker: Worker) -> None:
    """Ctrl-C between an order and its answer: the next order gets its own answer, and nothing stays injected."""
    done = subprocess.run([sys.executable, "-c", IMPATIENT, worker.name], check=False, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert worker.works()
