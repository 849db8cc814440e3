"""Commands follow the lease, each within its time; whoever hangs is ended, and nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.rig_command import HooksRig, has_children, is_alive, number, run, term

from bascule.cluster.actuators import command
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import ActuatorError
from bascule.kernel.quantities import Duration

pytestmark = pytest.mark.real


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[HooksRig]:
    yield HooksRig(tmp_path)
    assert not has_children()


def script(rig: HooksRig, text: str) -> tuple[str, ...]:
    return ("sh", "-c", text, str(rig.directory))


def test_commands_are_told_for_which_term(rig: HooksRig) -> None:
    here = script(rig, 'env > "$0/told"')
    now = term(token=41)
    run(command.make(rig.options(promote=here, check=())).promote(now))
    told = dict(line.split("=", 1) for line in (rig.directory / "told").read_text().splitlines() if "=" in line)
    assert told["BASCULE_CLUSTER"] == "east"
    assert told["BASCULE_GROUP"] == "edge"
    assert told["BASCULE_AGENT"] == "a"
    assert told["BASCULE_TOKEN"] == "41"
    assert float(told["BASCULE_UNTIL"]) == pytest.approx(now.until_s, abs=1e-5)


def test_what_the_service_manager_told_the_agent_is_not_theirs(rig: HooksRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    here = script(rig, 'env > "$0/told"')
    run(command.make(rig.options(promote=here, check=())).promote(term()))
    assert "NOTIFY_SOCKET" not in (rig.directory / "told").read_text()


def test_the_demotion_by_another_process_is_told_of_the_term_that_it_ends(rig: HooksRig) -> None:
    changes = {"demote": script(rig, 'echo "$BASCULE_GROUP $BASCULE_TOKEN" > "$0/told"'), "check": ()}
    run(command.make(rig.options(**changes)).promote(term(token=41)))
    run(command.make(rig.options(**changes)).demote())
    assert (rig.directory / "told").read_text() == "edge 41\n"
    run(command.make(rig.options(**changes)).demote())
    assert (rig.directory / "told").read_text() == " \n", "there is no term any more"


def test_the_same_term_is_not_promoted_twice_and_the_next_one_is(rig: HooksRig) -> None:
    counting = script(rig, 'echo "$BASCULE_TOKEN" >> "$0/told"; touch "$0/active"')

    async def scenario() -> None:
        actuator = command.make(rig.options(promote=counting))
        for token in (1, 1, 2):
            await actuator.promote(term(token))

    run(scenario())
    assert (rig.directory / "told").read_text() == "1\n2\n"


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM;"])
def test_a_command_that_hangs_is_ended_with_its_whole_group(rig: HooksRig, stubborn: str) -> None:
    hanging = script(rig, f'{stubborn} sleep 1000 & echo $! > "$0/child"; echo what went on; wait; wait; wait')
    actuator = command.make(rig.options(promote=hanging, promote_within=Duration(0.3)))
    with pytest.raises(ActuatorError, match="did not end in time: what went on") as raised:
        run(actuator.promote(term()))
    assert raised.value.where == "command file"
    assert raised.value.hint
    child = number(rig.directory / "child")
    wait_until(lambda: not is_alive(child), "its child lives")


def test_output_without_end_is_no_danger_and_its_end_is_told(rig: HooksRig) -> None:
    flood = script(rig, "yes 'some line' | head -c 30000000; echo the last words >&2; exit 4")
    with pytest.raises(ActuatorError, match="exit code 4: the last words") as raised:
        run(command.make(rig.options(promote=flood, promote_within=Duration(20))).promote(term()))
    assert len(str(raised.value)) < 1000


def test_control_characters_of_a_command_do_not_get_into_the_error(rig: HooksRig) -> None:
    rude = script(rig, r"printf '\033[2Jred\007\377' >&2; exit 4")
    with pytest.raises(ActuatorError) as raised:
        run(command.make(rig.options(promote=rude)).promote(term()))
    assert str(raised.value).isprintable()


def test_what_a_command_leaves_in_the_background_does_not_hold_it_up(rig: HooksRig) -> None:
    leaving = script(rig, 'sleep 1000 & echo $! > "$0/child"; touch "$0/active"')
    run(command.make(rig.options(promote=leaving)).promote(term()))
    child = number(rig.directory / "child")
    assert is_alive(child), "it was left there on purpose"
    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("doing", ["promote", "demote", "look"])
def test_what_was_cancelled_runs_no_longer_and_can_be_called_again(rig: HooksRig, doing: str) -> None:
    hanging = script(rig, "trap '' TERM; sleep 1000 & echo $! > \"$0/child\"; wait; wait; wait")
    field = {"promote": "promote", "demote": "demote", "look": "check"}[doing]

    async def scenario() -> int:
        actuator = command.make(rig.options(**{field: hanging, f"{field}_within": Duration(60)}))
        called = actuator.promote(term()) if doing == "promote" else getattr(actuator, doing)()
        task = asyncio.create_task(called)
        child = await asyncio.to_thread(number, rig.directory / "child")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return child

    child = run(scenario())
    wait_until(lambda: not is_alive(child), "its child lives")
    run(rig.actuator().promote(term()))
    assert rig.is_so()


def test_a_command_that_is_cancelled_twice_is_reaped_all_the_same(rig: HooksRig) -> None:
    async def scenario() -> None:
        actuator = command.make(rig.options(promote=("sleep", "1000"), promote_within=Duration(60)))
        task = asyncio.create_task(actuator.promote(term()))
        while not has_children():  # noqa: ASYNC110 - the kernel sets no event
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not has_children()

    run(scenario())


@pytest.mark.parametrize(
    ("code", "seen"),
    [(0, "active"), (1, "passive"), (3, "passive"), (7, "passive"), (2, "unknown"), (126, "unknown"), (127, "unknown")],
)
def test_an_exit_code_says_how_it_is(rig: HooksRig, code: int, seen: str) -> None:
    assert run(command.make(rig.options(check=("sh", "-c", f"exit {code}"))).look()) == seen


@pytest.mark.parametrize("check", [("sh", "-c", "kill -9 $$"), ("sleep", "1000"), ("/nowhere/to/be/found",)])
def test_a_check_that_fails_to_look_knows_nothing(rig: HooksRig, check: tuple[str, ...]) -> None:
    assert run(command.make(rig.options(check=check, check_within=Duration(0.2))).look()) == "unknown"


def test_without_a_check_nobody_knows(rig: HooksRig) -> None:
    assert run(command.make(rig.options(check=())).look()) == "unknown"


@pytest.mark.parametrize("doing", ["promote", "demote"])
def test_what_a_command_says_it_did_is_looked_at(rig: HooksRig, doing: str) -> None:
    changes = {doing: ("true",), "ready_within": Duration(0.2)}
    actuator = command.make(rig.options(**changes))
    if doing == "demote":
        rig.file.touch()
    with pytest.raises(ActuatorError, match="it did not become"):
        run(actuator.promote(term()) if doing == "promote" else actuator.demote())


def test_a_program_that_is_not_there_is_told_with_its_place(rig: HooksRig) -> None:
    actuator = command.make(rig.options(promote=("/nowhere/it",), demote=("/nowhere/it",)))
    with pytest.raises(ActuatorError, match="No such file"):
        run(actuator.promote(term()))
    with pytest.raises(ActuatorError, match="No such file") as raised:
        run(actuator.demote())
    assert raised.value.where == "command file"
    assert "/nowhere/it" in raised.value.hint


def test_nothing_begins_once_the_validity_has_ended(rig: HooksRig) -> None:
    with pytest.raises(ActuatorError, match="validity has ended"):
        run(command.make(rig.options()).promote(term(left_s=0.0)))
    assert not rig.is_so()


def test_a_process_that_was_thawed_too_late_does_not_begin_either(rig: HooksRig) -> None:
    class Frozen(BootClock):
        """What an agent knew before it was frozen."""

        def monotonic_s(self) -> float:
            return super().monotonic_s() - 1000

    actuator = command.make(rig.options())
    assert isinstance(actuator, command.Hooks)
    actuator._clock = Frozen()
    with pytest.raises(ActuatorError, match="validity has ended"):
        run(actuator.promote(term(left_s=-1.0)))
    assert not rig.is_so()


def test_a_directory_that_others_write_to_holds_no_record(rig: HooksRig) -> None:
    (rig.directory / "state").mkdir()
    (rig.directory / "state").chmod(0o777)
    with pytest.raises(ActuatorError, match="others may write"):
        run(rig.actuator().promote(term()))
    assert not rig.is_so()


PROMOTING = """
import asyncio, sys
from bascule.cluster.actuators import command
from bascule.cluster.actuators.port import Term
from bascule.kernel.clock import BootClock
from bascule.kernel.quantities import Duration
until_s = BootClock().monotonic_s() + 3600
options = command.Options(
    name="file", promote=("sh", "-c", sys.argv[1], sys.argv[2]), demote=("true",), promote_within=Duration(600),
    state_directory=sys.argv[2] + "/state",
)
term = Term(cluster="east", group="edge", agent="a", token=7, until_s=until_s)
asyncio.run(command.make(options).promote(term))
"""


@pytest.mark.parametrize("blow", [signal.SIGSTOP, signal.SIGKILL])
def test_the_command_of_an_agent_that_is_frozen_or_dead_is_ended_by_whoever_demotes(
    rig: HooksRig, blow: signal.Signals
) -> None:
    doing = 'sleep 1000 & echo $! > "$0/child"; touch "$0/active"; wait'
    agent = subprocess.Popen([sys.executable, "-c", PROMOTING, doing, str(rig.directory)])
    try:
        child = number(rig.directory / "child")
        agent.send_signal(blow)
        run(rig.actuator().demote())
        assert not is_alive(child)
        assert not rig.is_so()
    finally:
        agent.kill()
        agent.wait()


def test_a_stranger_that_has_the_number_now_is_left_alone(rig: HooksRig) -> None:
    run(rig.actuator().promote(term()))
    record = rig.directory / "state" / "file.started"
    with subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True) as stranger:
        try:
            text = record.read_text()
            record.write_text(text.replace(text.split(",")[0], f'{{"pid": {stranger.pid}'))
            run(rig.actuator().demote())
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("content", [b"", b"{", b'{"pid": "x"}', b"\xff" * 100, b"[" * 100_000])
def test_a_damaged_record_is_told_and_not_guessed_at(rig: HooksRig, content: bytes) -> None:
    run(rig.actuator().promote(term()))
    (rig.directory / "state" / "file.started").write_bytes(content)
    with pytest.raises(ActuatorError, match="damaged") as raised:
        run(rig.actuator().demote())
    assert raised.value.hint


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_file_stays_open(rig: HooksRig) -> None:
    async def scenario() -> None:
        actuator = rig.actuator()
        await actuator.promote(term())
        before = open_files()
        for token in range(10, 15):
            await actuator.promote(term(token))
            await actuator.look()
        assert open_files() == before

    run(scenario())


def test_many_at_once_end_each_with_its_own(rig: HooksRig) -> None:
    async def one(number: int) -> str:
        actuator = command.make(rig.options(name=f"n{number}", check=("sh", "-c", f"exit {(0, 1, 2)[number % 3]}")))
        return await actuator.look()

    async def scenario() -> None:
        assert await asyncio.gather(*map(one, range(60))) == ["active", "passive", "unknown"] * 20

    run(scenario())


def test_a_command_begins_with_the_signals_that_any_program_expects(rig: HooksRig) -> None:
    """An agent in the background of a shell ignores SIGINT, and Python SIGPIPE: both would be inherited."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run(
            command.make(rig.options(promote=script(rig, 'cat /proc/self/status > "$0/told"'), check=())).promote(
                term()
            )
        )
        run(command.make(rig.options(demote=script(rig, 'cat /proc/self/status > "$0/also"'), check=())).demote())
    finally:
        signal.signal(signal.SIGINT, before)
    for name in ("told", "also"):
        lines = (rig.directory / name).read_text().splitlines()
        (ignored,) = (int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
        assert ignored & 0x7FFFFFFF == 0, "the two above these are the C library's own"


def test_a_machine_without_a_file_left_is_told_and_loses_none(rig: HooksRig) -> None:
    actuator = rig.actuator()
    before = open_files()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def scenario() -> None:
        for spare in range(8):
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + spare, limits[1]))  # noqa: PTH208 - their number
            try:
                seen = await actuator.look()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert seen in {"unknown", "passive"}

    run(scenario())
    assert open_files() == before
