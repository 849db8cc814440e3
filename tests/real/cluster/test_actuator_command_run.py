"""A program lives exactly as long as the term, and nothing that came of it lives longer."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.rig_command import LOCKED, RunRig, has_children, is_alive, number, run, term

from bascule.cluster.actuators import command
from bascule.cluster.programs import bound
from bascule.cluster.programs.child import environment
from bascule.cluster.programs.child import run as run_program
from bascule.cluster.programs.record import RecordFile
from bascule.kernel.errors import ActuatorError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RunRig]:
    rig = RunRig(tmp_path)
    yield rig
    run(rig.actuator().demote())
    assert not rig.is_so()


@pytest.fixture(autouse=True)
def _nothing_stays_behind() -> Iterator[None]:
    yield
    assert not has_children()


def test_it_runs_in_a_session_of_its_own_and_is_told_its_term(rig: RunRig) -> None:
    async def scenario() -> None:
        says = rig.shell('env > "$0/told"; ps -o sid= -p $$ > "$0/session"; exec sleep 1000')
        actuator = command.make(rig.options(run=says))
        await actuator.promote(term(token=41))
        told = rig.directory / "told"
        await asyncio.to_thread(number, rig.directory / "session")
        assert "BASCULE_TOKEN=41\n" in told.read_text()
        assert number(rig.directory / "session") != os.getsid(0)
        await actuator.demote()

    run(scenario())


def test_it_is_asked_to_end_before_it_is_killed(rig: RunRig) -> None:
    async def scenario() -> None:
        polite = rig.shell('trap \'echo 1 > "$0/goodbye"; exit\' TERM; echo $$ > "$0/up"; sleep 1000 & wait')
        actuator = command.make(rig.options(run=polite))
        await actuator.promote(term())
        await asyncio.to_thread(number, rig.directory / "up")
        await actuator.demote()
        assert (rig.directory / "goodbye").read_text() == "1\n"
        assert not rig.is_so()

    run(scenario())


def test_one_that_does_not_want_to_is_killed(rig: RunRig) -> None:
    async def scenario() -> None:
        stubborn = rig.shell("trap '' TERM; echo $$ > \"$0/up\"; while :; do sleep 1000; done")
        actuator = command.make(rig.options(run=stubborn, stop_within=Duration(0.2)))
        await actuator.promote(term())
        await asyncio.to_thread(number, rig.directory / "up")
        await actuator.demote()
        assert not rig.is_so()

    run(scenario())


def test_one_that_takes_its_time_is_killed_before_the_validity_ends(rig: RunRig) -> None:
    async def scenario() -> None:
        stubborn = rig.shell("trap '' TERM; echo $$ > \"$0/up\"; while :; do sleep 1000; done")
        actuator = command.make(rig.options(run=stubborn, stop_within=Duration(3600)))
        await actuator.promote(term())
        await asyncio.to_thread(number, rig.directory / "up")
        actuator.extend(term(left_s=0.3))
        await actuator.demote()
        assert not rig.is_so()

    run(scenario())


def test_a_validity_that_is_renewed_while_it_ends_gives_it_more_time(rig: RunRig) -> None:
    async def scenario() -> None:
        slow = rig.shell('trap \'sleep 0.6; echo 1 > "$0/goodbye"; exit\' TERM; echo $$ > "$0/up"; sleep 1000 & wait')
        actuator = command.make(rig.options(run=slow, stop_within=Duration(20)))
        await actuator.promote(term())
        await asyncio.to_thread(number, rig.directory / "up")
        actuator.extend(term(left_s=0.5))
        demoting = asyncio.create_task(actuator.demote())
        await asyncio.wait([demoting], timeout=0.1)
        actuator.extend(term(left_s=3600))
        await demoting
        assert (rig.directory / "goodbye").exists()

    run(scenario())


SCATTERED = """
setsid sleep 1000 &
sh -c 'setsid sh -c "sleep 1000 & exit" & exit' &
env -i setsid sleep 1000 &
env -i sleep 1000 &
echo $$ > "$0/up"
wait
"""


def test_whatever_it_started_ends_with_it_wherever_that_went(rig: RunRig) -> None:
    async def scenario() -> None:
        actuator = command.make(rig.options(run=rig.shell(SCATTERED)))
        await actuator.promote(term())
        await asyncio.to_thread(number, rig.directory / "up")
        await actuator.demote()
        assert not rig.is_so()

    run(scenario())


def test_what_hid_in_three_ways_is_not_found(rig: RunRig) -> None:
    """The limit that the documents name: another session, no parent, and another environment."""
    hiding = rig.shell('(env -i setsid sh -c \'echo $$ > "$1/hidden"; exec sleep 1000\' x "$0" &); sleep 1000')

    async def scenario() -> None:
        actuator = command.make(rig.options(run=hiding))
        await actuator.promote(term())
        await asyncio.to_thread(number, rig.directory / "hidden")
        await actuator.demote()

    run(scenario())
    hidden = number(rig.directory / "hidden")
    assert is_alive(hidden)
    os.kill(hidden, signal.SIGKILL)
    wait_until(lambda: not rig.is_so(), "it lives")


def test_it_is_started_again_when_it_died(rig: RunRig) -> None:
    async def scenario() -> None:
        actuator = command.make(rig.options(run=rig.shell('echo $$ > "$0/up"; exec sleep 1000')))
        now = term()
        await actuator.promote(now)
        first = await asyncio.to_thread(number, rig.directory / "up")
        os.kill(first, signal.SIGKILL)
        while await actuator.look() != "passive":  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(0.01)
        (rig.directory / "up").unlink()
        await actuator.promote(now)
        assert await asyncio.to_thread(number, rig.directory / "up") != first
        assert await actuator.look() == "active"
        await actuator.demote()

    run(scenario())


def test_the_same_term_leaves_it_alone_and_the_next_one_starts_another(rig: RunRig) -> None:
    async def scenario() -> None:
        actuator = command.make(rig.options(run=rig.shell('echo "$BASCULE_TOKEN" >> "$0/tokens"; exec sleep 1000')))
        for token in (1, 1, 2):
            await actuator.promote(term(token))
        await asyncio.to_thread(
            wait_until, lambda: (rig.directory / "tokens").read_text() == "1\n2\n", "it has not both tokens"
        )
        await actuator.demote()

    run(scenario())


def test_one_that_does_not_become_ready_is_ended(rig: RunRig) -> None:
    never = ("sh", "-c", "echo not yet; exit 1")
    actuator = command.make(rig.options(check=never, ready_within=Duration(0.3)))
    with pytest.raises(ActuatorError, match=r"not ready within 0\.3 s.*not yet"):
        run(actuator.promote(term()))
    assert not rig.is_so()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("sh", "-c", "exit 9"), "ended before it was ready, with exit code 9"),
        (("sh", "-c", "kill -SEGV $$"), "ended before it was ready, by signal 11"),
        (("/nowhere/it",), "could not be executed"),
    ],
)
def test_one_that_ends_at_once_says_how(rig: RunRig, argv: tuple[str, ...], says: str) -> None:
    with pytest.raises(ActuatorError, match=says) as raised:
        run(command.make(rig.options(run=argv, check=("sh", "-c", "exit 1"))).promote(term()))
    assert raised.value.where == "command lock"
    assert raised.value.hint


def test_a_check_that_somebody_else_passes_does_not_make_it_ready(rig: RunRig) -> None:
    with pytest.raises(ActuatorError, match="exit code 9"):
        run(command.make(rig.options(run=("sh", "-c", "exit 9"), check=("sleep", "0.3"))).promote(term()))


@pytest.mark.parametrize("doing", ["promote", "demote"])
def test_what_was_cancelled_leaves_nothing(rig: RunRig, doing: str) -> None:
    async def scenario() -> None:
        stubborn = rig.shell("trap '' TERM; echo $$ > \"$0/up\"; while :; do sleep 1000; done")
        check = ("sh", "-c", "exit 1") if doing == "promote" else rig.options().check
        options = rig.options(run=stubborn, check=check, stop_within=Duration(600), ready_within=Duration(600))
        actuator = command.make(options)
        if doing == "demote":
            await actuator.promote(term())
        task = asyncio.create_task(actuator.promote(term()) if doing == "promote" else actuator.demote())
        await asyncio.to_thread(number, rig.directory / "up")
        await asyncio.wait([task], timeout=0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not has_children()
        assert not rig.is_so()

    run(scenario())


AGENT = """
import asyncio, sys
from bascule.cluster.actuators import command
from bascule.cluster.actuators.port import Term
from bascule.kernel.clock import BootClock
until_s = BootClock().monotonic_s() + 3600
options = command.Options(
    name="lock", run=tuple(sys.argv[2:-1]), check=("sh", "-c", sys.argv[-1], sys.argv[4]),
    state_directory=sys.argv[1] + "/state",
)
async def live():
    actuator = command.make(options)
    await actuator.promote(Term(cluster="east", group="edge", agent="a", token=7, until_s=until_s))
    print("promoted", flush=True)
    await asyncio.Event().wait()
asyncio.run(live())
"""


def agent(rig: RunRig, argv: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Another process, in which the program was promoted."""
    process = subprocess.Popen([sys.executable, "-c", AGENT, str(rig.directory), *argv, LOCKED], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"promoted\n"
    process.stdout.close()
    return process


def test_what_is_left_of_a_killed_agents_program_is_ended_by_whoever_demotes(rig: RunRig) -> None:
    orphans = SCATTERED.replace("env -i setsid sleep 1000 &", "")  # it would hide in three ways
    process = agent(rig, rig.shell(orphans))
    number(rig.directory / "up")
    process.kill()
    process.wait()
    assert rig.is_so(), "its children are not bound to the agent"
    run(rig.actuator().demote())
    assert not rig.is_so()


def test_the_kernel_itself_kills_it_when_its_agent_is_killed(rig: RunRig) -> None:
    process = agent(rig, (rig.flock, "-x", str(rig.file), "-c", "exec sleep 1000"))
    try:
        (first,) = (one for one in children(process.pid) if is_alive(one))
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not is_alive(first), "it survived its agent")


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_frozen_agents_program_is_ended_by_whoever_demotes(rig: RunRig) -> None:
    process = agent(rig, rig.shell(SCATTERED))
    try:
        number(rig.directory / "up")
        process.send_signal(signal.SIGSTOP)
        assert rig.is_so()
        run(rig.actuator().demote())
        assert not rig.is_so()
    finally:
        process.kill()
        process.wait()


def test_one_that_is_thawed_too_late_starts_nothing(rig: RunRig) -> None:
    record = RecordFile(str(rig.directory), "late")
    mark = rig.directory / "begun"

    async def scenario() -> int | None:
        argv = record.bound(["touch", str(mark)], until_s=1.0, dies=True)
        return (await run_program(argv, environment(), limit_s=20)).code

    assert run(scenario()) == bound.TOO_LATE
    assert not mark.exists()
    assert record.read() is not None, "who it is was said before"


def test_one_whose_parent_is_gone_starts_nothing(rig: RunRig) -> None:
    record = RecordFile(str(rig.directory), "orphan")
    mark = rig.directory / "begun"

    async def scenario() -> int | None:
        argv = record.bound(["touch", str(mark)], until_s=1e12, dies=True)
        argv[argv.index(str(os.getpid()))] = "1"
        return (await run_program(argv, environment(), limit_s=20)).code

    assert run(scenario()) == bound.TOO_LATE
    assert not mark.exists()


def test_a_strangers_session_that_has_the_number_now_is_left_alone(rig: RunRig) -> None:
    process = agent(rig, rig.shell("exec sleep 1000"))
    process.kill()
    process.wait()
    record = rig.directory / "state" / "lock.started"
    with subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True) as stranger:
        try:
            text = record.read_text()
            record.write_text(text.replace(text.split(",")[0], f'{{"pid": {stranger.pid}'))
            run(rig.actuator().demote())
            assert stranger.poll() is None
        finally:
            stranger.kill()
