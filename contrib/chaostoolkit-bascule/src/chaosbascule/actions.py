"""What can be done to a system that runs in a lab: break it, undo that, drill it, bring it up and take it down."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bascule.chaos.journal import Journal
from bascule.chaos.recovery import recover as recover_journal
from bascule.drill import halting
from bascule.drill.render_json import from_json
from bascule.drill.watchdog import attach
from bascule.kernel.errors import FaultError, InputError, LabError
from bascule.lab import mark, world
from bascule.lab.abilities import Abilities
from bascule.testing.labs import bring_up
from chaosbascule import course
from chaosbascule.interruption import interruptible

__all__ = ["drill", "halt", "inject", "lab_down", "lab_up", "recover", "undo", "wait_whole"]

POLL_S = 0.1
END_LIMIT_S = 60.0


@interruptible
def inject(
    fault: str,
    lab: str,
    parameters: dict[str, Any] | None = None,
    hold_s: float = 0.0,
) -> dict[str, Any]:
    """Inject a fault and see that it acts. It stays until `undo`, the experiment's end, or this process's.

    It is written into a journal before it acts, and a watchdog process undoes it should this one die. The action fails
    if the fault is not seen to act; nothing of it is left then.

    Args:
        fault: Its kind, as in `bascule fault list`.
        lab: Directory of a lab that is up.
        parameters: As in `bascule fault show FAULT`.
        hold_s: Undo it after so many seconds, and return only then.
    """
    now = course.present()
    number, struck = now.inject(lab, fault, dict(parameters or {}))
    target = now.lab(lab)
    if hold_s > 0:
        until_s = struck.at_s + hold_s
        while target.is_acting(number) and time.monotonic() < until_s:
            time.sleep(POLL_S)
        target.undo(number)
    return {
        "fault": fault,
        "parameters": dict(parameters or {}),
        "witnessed": struck.witness.seen,
        "evidence": list(struck.witness.evidence),
        "undone": hold_s > 0,
        "journal": str(target.journal),
    }


@interruptible
def undo(lab: str, fault: str = "") -> list[str]:
    """Undo what this experiment injected in a lab, and see that nothing of it is left; once more does no harm.

    Args:
        lab: Directory of the lab.
        fault: Only faults of this kind. Default: all.
    """
    return course.present().undo(lab, fault)


@interruptible
def halt() -> list[dict[str, Any]]:
    """Stop everything of this user that breaks things on this machine now, and undo what it injected.

    The action fails if something is left; its watchdog goes on trying.
    """
    halted = halting.halt(halting.find_running())
    left = [each for one in halted for each in one.left]
    if left:
        raise FaultError(f"not everything is undone yet: {'; '.join(left)}", hint="bascule chaos halt")
    return [{"journal": one.journal, "undone": list(one.undone)} for one in halted]


@interruptible
def recover(run: str) -> list[str]:
    """Undo what an earlier run, a drill or an experiment, left injected; a run that left nothing is no error.

    Args:
        run: Its directory, below `bascule-runs/`.
    """
    results = recover_journal(Journal(Path(run) / "journal.jsonl"), attach)
    failed = [one.error for one in results if one.error]
    if failed:
        raise FaultError(f"not everything is undone: {'; '.join(failed)}", where=run)
    return ["; ".join(one.fault.steps()) for one in results if one.fault is not None]


@interruptible
def wait_whole(lab: str, limit_s: float = 60.0) -> bool:
    """Wait until every member is up and fully part of its component; the action fails if that does not come.

    Args:
        lab: Directory of a lab that is up.
        limit_s: How long at most.
    """
    course.present().lab(lab).wait_whole(limit_s)
    return True


@interruptible
def drill(  # noqa: PLR0917 - Chaos Toolkit discovers positional parameters alone
    system: str,
    experiments: list[str] | None = None,
    trials: int = 1,
    lab: str = "",
    output: str = "",
    hold: str = "",
    isolation: str = "auto",
    timelines: str = "",
) -> dict[str, Any]:
    """Run a drill: offer load, break, undo, and judge from the client's side. FAIL is an answer, no error.

    The action fails if the drill could not take place at all. What was measured stays in the directory.

    Args:
        system: The system file.
        experiments: As in `bascule drill --list`. Default: primary-kill.
        trials: How often each is run.
        lab: Directory of a lab that is up, and stays so. Default: a lab of its own.
        output: Where reports and records go. Default: a new directory below `bascule-runs/`.
        hold: Undo the fault after this time (`2s`). Default: when the clients are served again.
        isolation: Of a lab of its own: auto, namespaces or loopback.
        timelines: A file with further experiments beside the system's.
    """
    now = course.present()
    directory = Path(output).absolute() if output else course.run_directory("drill")
    argv = [sys.executable, "-m", "bascule", "drill", system, "--quiet", "--json", "--trials", str(trials)]
    argv += ["--output", str(directory), "--isolation", isolation]
    argv += [word for name in experiments or () for word in ("--experiment", name)]
    argv += [*(("--lab", lab) if lab else ()), *(("--for", hold) if hold else ())]
    argv += ["--experiments", timelines] if timelines else []
    now.outcome, now.report = "RUNNING", None
    try:
        code, told = _run(argv)
        if not told or "error" in (answer := json.loads(told)):
            what = answer["error"] if told else f"the drill ended with exit code {code}"
            raise InputError(what, where=answer.get("where", "") if told else "", hint="see bascule drill --help")
        now.report = from_json((directory / "report.json").read_bytes())
        now.outcome = now.report.outcome
    finally:
        if now.outcome == "RUNNING":
            now.outcome = "ABORTED"
    reasons = [f"{one.experiment}: {each}" for one in now.report.trials for each in one.verdict.reasons]
    return {"outcome": now.outcome, "exit_code": code, "directory": str(directory), "reasons": reasons}


def _run(argv: list[str]) -> tuple[int, str]:
    """Run a command to its end; whatever interrupts this process ends it first, as Ctrl-C would."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            told, _ = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        return process.returncode, told


@interruptible
def lab_up(
    system: str, lab: str, isolation: str = "auto", *, disks: bool = False, clocks: bool = False, names: bool = False
) -> dict[str, Any]:
    """Bring a system up and return once all of its members are whole; it stays until `lab_down`.

    Args:
        system: The system file.
        lab: Where the lab lives.
        isolation: namespaces makes real hosts; loopback needs no rights but cannot cut a network.
        disks: Put disks that can fail under the members, for the faults disk-...
        clocks: Start members so that their wall clocks can be turned, for the faults clock-...
        names: Give each host a resolver, for the fault dns-failure.
    """
    made = bring_up(Path(system), Path(lab), isolation, Abilities(disks=disks, clocks=clocks, names=names))
    made.world.keep()
    hosts = [host.name for host in made.plan.hosts]
    made.close()
    return {"lab": lab, "hosts": hosts}


@interruptible
def lab_down(lab: str, purge: bool = False) -> bool:
    """End everything that runs in a lab, and with it every fault; a lab that is down already stays so.

    Args:
        lab: Where it lives.
        purge: Remove what it made as well.
    """
    if purge:
        try:
            return world.purge(Path(lab))
        except LabError:
            if mark.is_held(Path(lab)):
                raise
            return True
    world.destroy(Path(lab))
    return True
