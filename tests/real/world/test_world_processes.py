"""The programs of a lab: followed through every fork, killed, frozen, stopped, logged."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bascule.engines.protocols import Launch
from bascule.kernel.errors import LabError
from bascule.lab import protocol as say
from bascule.lab import shared_memory
from bascule.lab.channel import Channel
from bascule.lab.client import LabClient
from bascule.lab.syscalls import remove_shared_memory

pytestmark = pytest.mark.real
HOST = "app-north-a-1"
Make = Callable[..., LabClient]

FAMILY = """
import os, sys, time
wipe = sys.argv[1] == "wipe"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        if wipe:
            os.chdir("/")
        os.execve("/bin/sleep", ["sleep", "1000"], {} if wipe else dict(os.environ))
    os._exit(0)
if os.fork() == 0:
    os.execv("/bin/sleep", ["sleep", "1001"])
print("family", os.getpid(), flush=True)
os.wait()
time.sleep(1000)
"""

SEGMENT = """
import ctypes, time
print(ctypes.CDLL(None).shmget(0, 4096, 0o1600), flush=True)
time.sleep(1000)
"""

SERVE = """
import socket, sys
ear = socket.create_server((sys.argv[1], 8000))
while True:
    line, _ = ear.accept()
    line.sendall(b"here")
    line.close()
"""

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("no", flush=True))
print("ready", flush=True)
while True:
    time.sleep(1)
"""


def eventually(claim: Callable[[], object], limit_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.01)


def launch(lab: LabClient, name: str, *argv: str, stop_signal: str = "SIGTERM") -> Path:
    directory = lab.directory / "members" / name
    directory.mkdir(parents=True, exist_ok=True)
    lab.launch(HOST, name, Launch(argv=(sys.executable, "-c", *argv), stop_signal=stop_signal), directory)
    return directory


def commands(lab: LabClient, member: str) -> list[str]:
    return [view.command for view in lab.processes(member)]


def log(lab: LabClient, name: str) -> str:
    path = lab.directory / "logs" / f"{name}.log"
    return path.read_text() if path.exists() else ""


def family(lab: LabClient, how: str) -> None:
    launch(lab, "family", FAMILY, how)
    eventually(lambda: commands(lab, "family")[1:] == ["sleep", "sleep"])


@pytest.mark.parametrize(("isolation", "how"), [("namespaces", "wipe"), ("namespaces", "keep"), ("loopback", "keep")])
def test_a_daemon_that_left_its_parents_is_still_the_members(make: Make, isolation: str, how: str) -> None:
    lab = make(isolation)
    family(lab, how)
    main = lab.processes("family")[0]
    assert main.command.startswith("python")
    lab.signal("family", signal.SIGKILL)
    assert lab.wait("family", 5) == -signal.SIGKILL
    assert commands(lab, "family") == ["sleep", "sleep"], "what the main process started outlived it"
    assert lab.status().members[0].state == "exited"
    assert len(lab.kill("family")) == 2
    assert lab.processes("family") == ()
    assert lab.kill("family") == ()


def test_a_whole_tree_is_frozen_and_thawed(make: Make, isolation: str) -> None:
    lab = make(isolation)
    family(lab, "keep")
    assert len(lab.freeze("family")) == 3
    assert {view.state for view in lab.processes("family")} == {"frozen"}
    assert lab.status().members[0].state == "frozen"
    assert lab.freeze("family") == ()
    lab.thaw("family")
    lab.thaw("family")
    assert {view.state for view in lab.processes("family")} == {"running"}
    lab.freeze("family")
    assert len(lab.kill("family")) == 3, "a frozen tree can be killed"


def test_one_command_of_a_tree_is_killed_alone(make: Make, isolation: str) -> None:
    lab = make(isolation)
    family(lab, "keep")
    (victim,) = lab.kill("family", command="sleep")
    assert commands(lab, "family")[1:] == ["sleep"]
    assert victim not in [view.pid for view in lab.processes("family")]
    with pytest.raises(LabError, match="has no process called 'postgres'"):
        lab.kill("family", command="postgres")


def test_orphans_do_not_stay_zombies(make: Make, isolation: str) -> None:
    lab = make(isolation)
    family(lab, "keep")
    lab.kill("family")
    done = lab.run(HOST, [sys.executable, "-c", ZOMBIES, str(lab.record.pid)])
    assert done.stdout == b"[]\n"


ZOMBIES = """
import os
zombies = []
for name in os.listdir("/proc"):
    if name.isdigit():
        try:
            text = open(f"/proc/{name}/stat").read()
        except OSError:
            continue
        if text.rpartition(")")[2].split()[0] == "Z" and "(sleep)" in text:
            zombies.append(text)
print(zombies)
"""


def test_a_killed_member_stays_down_until_it_is_started_again(make: Make, isolation: str) -> None:
    lab = make(isolation)
    launch(lab, HOST, SERVE, lab.plan.host(HOST).address)
    first = lab.processes(HOST)[0].pid
    lab.start(HOST)
    assert lab.processes(HOST)[0].pid == first, "starting what is up changes nothing"
    lab.kill(HOST)
    assert lab.processes(HOST) == ()
    lab.start(HOST)
    assert lab.processes(HOST)[0].pid != first
    (status,) = lab.status().members
    assert (status.state, status.restarts, status.exit_code) == ("running", 1, -signal.SIGKILL)
    assert lab.members(HOST) == (HOST,)
    assert lab.host_of(HOST) == HOST


def answer(lab: LabClient, host: str) -> bytes:
    with contextlib.suppress(ConnectionError), lab.dial(host, 8000) as line:
        return line.recv(10)
    return b""


def test_a_dialled_connection_works_through_a_partition(make: Make) -> None:
    lab = make()
    launch(lab, HOST, SERVE, lab.plan.host(HOST).address)
    eventually(lambda: answer(lab, HOST) == b"here")
    lab.partition((HOST,))
    assert answer(lab, HOST) == b"here"


def test_a_dial_that_nobody_answers_is_an_error_and_holds_up_nobody(make: Make, isolation: str) -> None:
    lab = make(isolation)
    address = lab.plan.host(HOST).address
    full = (
        "import socket, time; e = socket.create_server(('%s', 8000), backlog=0); print(1, flush=True); time.sleep(99)"
    )
    launch(lab, HOST, full % address)
    eventually(lambda: "1" in log(lab, HOST))
    with pytest.raises(ConnectionRefusedError):
        lab.dial(HOST, 8001)
    held: list[socket.socket] = []

    def fill() -> bool:
        try:
            held.append(lab.dial(HOST, 8000, timeout_s=0.3))
        except ConnectionError:
            return True
        return False

    try:
        eventually(fill)
        with ThreadPoolExecutor() as pool:
            slow = pool.submit(lab.dial, HOST, 8000, 2.0)
            started_s = time.monotonic()
            lab.status()
            assert not slow.done(), "the other call was answered while this one waited"
            assert time.monotonic() - started_s < 2.0
            with pytest.raises(ConnectionError):
                slow.result()
    finally:
        for line in held:
            line.close()


def test_stop_asks_first_and_kills_what_will_not_listen(make: Make, isolation: str) -> None:
    lab = make(isolation)
    launch(lab, "polite", "import time; print('ready', flush=True); time.sleep(1000)", stop_signal="SIGINT")
    launch(lab, "stubborn", STUBBORN)
    eventually(lambda: "ready" in log(lab, "stubborn") and "ready" in log(lab, "polite"))
    lab.stop("polite", 10)
    lab.stop("stubborn", 0.5)
    codes = {member.name: member.exit_code for member in lab.status().members}
    assert codes == {"polite": -signal.SIGINT, "stubborn": -signal.SIGKILL}
    assert "no" in log(lab, "stubborn")
    assert "KeyboardInterrupt" in log(lab, "polite")


def test_a_log_line_bears_the_time_and_survives_a_restart(make: Make, isolation: str) -> None:
    lab = make(isolation)
    before_s = time.monotonic()
    launch(lab, "speaker", "import sys; print('x' * 20000); print('out'); sys.stderr.write('unfinished')")
    eventually(lambda: "unfinished" in log(lab, "speaker"))
    assert lab.wait("speaker", 5) == 0
    lab.start("speaker")
    eventually(lambda: log(lab, "speaker").count("unfinished") == 2)
    lines = log(lab, "speaker").splitlines()
    for line in lines:
        stamp, _, text = line.partition(" ")
        assert before_s <= float(stamp) <= time.monotonic()
        assert len(stamp.partition(".")[2]) == 6
        assert len(text) < 9000
    assert lines[0].endswith("[line cut]")
    assert len(lines) == 6


def test_members_have_no_capability_and_know_who_they_are(make: Make, isolation: str) -> None:
    lab = make(isolation)
    done = lab.run(HOST, ["cat", "/proc/self/status"])
    fields = dict(line.split(":\t", 1) for line in done.stdout.decode().splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    if isolation == "namespaces":
        assert fields["CapBnd"] == "0" * 16
        assert fields["Uid"].split()[0] != "0", "PostgreSQL does not start as uid 0"


def test_a_command_is_run_to_its_end(make: Make, isolation: str) -> None:
    lab = make(isolation)
    done = lab.run(HOST, ["sh", "-c", "cat; echo $COLOUR >&2; exit 3"], environment={"COLOUR": "blue"}, input=b"in")
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"in", b"blue\n")
    with pytest.raises(LabError, match="did not end within"):
        lab.run(HOST, ["sleep", "100"], timeout_s=0.2)
    with pytest.raises(LabError, match="cannot start no-such-program"):
        lab.run(HOST, ["no-such-program"])
    assert lab.run(HOST, ["head", "-c", "6000000", "/dev/zero"]).stdout == bytes(4 * 2**20)


def test_a_command_ends_when_nobody_waits_for_it_any_more(make: Make, isolation: str) -> None:
    lab = make(isolation)
    pid_file = lab.directory / "pid"
    caller = Channel(lab.directory)
    line = caller._line()
    argv = ("sh", "-c", f"echo $$ > {pid_file}; exec sleep 100")
    line.sendall(say.line(say.Run(host=HOST, argv=argv, timeout_s=100, environment={}, directory="/")))
    eventually(lambda: pid_file.exists() and pid_file.read_text())
    alive = ["kill", "-0", pid_file.read_text().strip()]
    assert lab.run(HOST, alive).exit_code == 0
    line.close()
    eventually(lambda: lab.run(HOST, alive).exit_code != 0)


def test_nonsense_on_the_control_socket_is_answered_and_harms_nobody(make: Make) -> None:
    lab = make("loopback")
    for nonsense, complaint in ((b"{}\n", b"required field"), (b"x" * (say.REQUEST_LIMIT_BYTES + 1), b"too long")):
        with Channel(lab.directory)._line() as line:
            line.sendall(nonsense)
            assert complaint in line.recv(1000)
    assert lab.reachable(HOST, "client")


@pytest.mark.alone
def test_what_programs_leave_in_shared_memory_goes_with_the_lab(make: Make) -> None:
    lab = make()
    before = sorted(path.name for path in Path("/dev/shm").iterdir())  # noqa: S108 - where shared memory lies
    assert lab.run(HOST, ["sh", "-c", "echo left > /dev/shm/behind && ls /dev/shm"]).stdout == b"behind\n"
    assert sorted(path.name for path in Path("/dev/shm").iterdir()) == before  # noqa: S108 - shared memory, no file
    assert lab.run(HOST, ["sh", "-c", "echo $TMPDIR"]).stdout.decode().strip() == str(lab.directory / "tmp")


def test_an_auxiliary_process_is_waited_for_and_signalled(make: Make, isolation: str) -> None:
    lab = make(isolation)
    output = lab.directory / "says"
    lab.spawn("client", "load", ["sh", "-c", "echo hello; exec sleep 100"], output=output)
    assert lab.wait("load", 0.2) is None
    with pytest.raises(LabError, match="is up already"):
        lab.spawn("client", "load", ["true"])
    lab.signal("load", signal.SIGTERM)
    assert lab.wait("load", 5) == -signal.SIGTERM
    assert output.read_text() == "hello\n"
    lab.signal("load", signal.SIGTERM)
    lab.spawn("client", "load", ["true"])
    assert lab.wait("load", 5) == 0
    assert lab.members("client") == ()


def test_power_ends_every_program_of_a_host_and_starts_its_members_again(make: Make) -> None:
    lab = make()
    launch(lab, HOST, SERVE, lab.plan.host(HOST).address)
    lab.spawn(HOST, "load", ["sleep", "100"])
    lab.power_off((HOST,))
    assert lab.processes(HOST) == ()
    assert lab.wait("load", 0) == -signal.SIGKILL
    with pytest.raises(LabError, match="has no power"):
        lab.start(HOST)
    lab.power_on((HOST,))
    eventually(lambda: answer(lab, HOST) == b"here")
    assert lab.wait("load", 0) == -signal.SIGKILL, "an auxiliary process is not the host's to start"


def test_calls_from_many_threads_do_not_mix(make: Make) -> None:
    lab = make()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: lab.run(HOST, ["echo", str(n)]).stdout, range(24)))
    assert answers == [f"{n}\n".encode() for n in range(24)]
    assert lab.memory_bytes() > 2**20


def segments() -> set[int]:
    rows = shared_memory.TABLE.read_text().splitlines()[1:]
    return {int(row.split()[1]) for row in rows}


def test_shared_memory_goes_with_the_lab_that_made_it_and_with_no_other(make: Make, tmp_path: Path) -> None:
    lab = make("loopback")
    output = tmp_path / "segment"
    mine = ctypes.CDLL(None).shmget(0, 4096, 0o1600)
    try:
        lab.spawn(HOST, "maker", [sys.executable, "-c", SEGMENT], output=output)
        eventually(lambda: output.exists() and output.read_text().strip() != "")
        theirs = int(output.read_text())
        assert {mine, theirs} <= segments()
        lab.down()
        assert theirs not in segments()
        assert mine in segments()
    finally:
        remove_shared_memory(mine)
