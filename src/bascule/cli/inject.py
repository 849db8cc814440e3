"""`bascule chaos inject`: one fault by hand, in a lab that is up, at a proxy or, where that is allowed, outside."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bascule.chaos.faults import AnyFault
from bascule.chaos.faults.catalogue import parse
from bascule.chaos.injection import Struck
from bascule.cli import inject_outside
from bascule.cli.output import emit, terminal
from bascule.drill.by_hand import Held, hold, hold_on_proxy
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration

RUNS = Path("bascule-runs")
PROXY = "proxy:"


def inject(
    fault: str,
    /,
    *parameters: str,
    lab: Annotated[Path | None, Parameter(name="--lab")] = None,
    on: Annotated[str, Parameter(name="--on")] = "",
    allow: Annotated[Path | None, Parameter(name="--allow")] = None,
    yes: bool = False,
    hold_for: Annotated[str, Parameter(name="--for")] = "",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    dry_run: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Inject one fault, show that it acts, and undo it after a time or at Ctrl-C.

    It is written into a journal before it acts, and a watchdog process undoes it should this command die. It acts in a
    lab that is up, at a proxy of a proxy process (bascule proxy run), or on one target outside: a process or a unit of
    systemd, here or on a machine that ssh reaches. Such a target must be in an allow-list, and its name is asked for
    once more.

    Exit codes: 0 it acted and was undone; 2 it was not seen to act, or cannot be done, or is not allowed.

    Examples:
        bascule lab up my.yaml
        bascule chaos inject process-slow member=database-paris-a-1 share=0.1 --lab .bascule/my --for 30s
        bascule chaos inject partition hosts=app-1,app-2 --lab .bascule/my
        bascule chaos inject process-kill member=database-paris-a-1 --lab .bascule/my --dry-run
        bascule chaos inject proxy-latency proxy=redis latency_s=0.2 --on proxy:/tmp/proxy.sock --for 30s
        bascule chaos inject process-freeze --on unit:web.service --for 10s
        bascule chaos inject process-slow share=0.3 --on ssh:root@db-1/unit:postgresql.service --for 1min --yes

    Args:
        fault: Its name: bascule fault list.
        parameters: As parameter=value: bascule fault show FAULT. Several names are separated by commas.
        lab: Directory of the lab.
        on: proxy:SOCKET, or a target outside the lab: pid:1234, unit:NAME.service, user-unit:NAME.service;
            ssh:user@host:port/ before.
        allow: The allow-list. Default: ~/.config/bascule/targets.yaml
        yes: Do not ask for the target's name once more.
        hold_for: Undo it after this time (`30s`). Default: at Ctrl-C.
        output: Where the journal goes. Default: bascule-runs/FAULT-TIME
        dry_run: Print what would be done, and do nothing.
        as_json: Print one JSON document instead of text.
    """
    if (lab is None) == (not on):
        hint = "--lab DIRECTORY, or --on TARGET for what runs outside a lab"
        raise InputError("where shall the fault act? Name a lab, or a target, and not both", hint=hint)
    hold_s = Duration.parse(hold_for).seconds if hold_for else None
    directory = output or RUNS / f"{fault}-{time.strftime('%Y%m%d-%H%M%S')}"
    tell = _teller(hold_for)
    if lab is not None or on.startswith(PROXY):
        chosen = parse(fault, parameters)
        if dry_run:
            return _plan(chosen, hold_for, as_json=as_json)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an end by hand
        held = _held(chosen, lab, on, directory, hold_s=hold_s, tell=tell)
    else:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with inject_outside.chosen(fault, parameters, on, allow) as target:
            if dry_run:
                return _plan(target.fault, hold_for, as_json=as_json, target=target)
            target.confirm(yes=yes)
            held = target.hold(directory, hold_s=hold_s, tell=tell)
    emit(held, as_json=as_json, text=_told(held, directory))
    return 0 if held.witnessed else 2


def _held(
    fault: AnyFault, lab: Path | None, on: str, directory: Path, *, hold_s: float | None, tell: Callable[[Struck], None]
) -> Held:
    """Hold it in the lab; without one, at the proxy process."""
    if lab is not None:
        return hold(fault, lab, directory, hold_s=hold_s, tell=tell)
    socket = on.removeprefix(PROXY)
    if not socket:
        raise InputError(f"{on!r} is no place for a fault", hint="write proxy:SOCKET, such as proxy:/tmp/proxy.sock")
    return hold_on_proxy(fault, Path(socket), directory, hold_s=hold_s, tell=tell)


def _plan(fault: AnyFault, hold_for: str, *, as_json: bool, target: inject_outside.Chosen | None = None) -> int:
    steps = (*fault.steps(), f"wait {hold_for or 'for Ctrl-C'}", f"undo: {fault.UNDONE_BY}")
    told: dict[str, object] = {"fault": fault, "steps": steps, "seen_by": fault.SEEN_BY}
    if target is not None:
        told |= {"target": target.seen, "allowed_by": target.rule}
    lines = [*(target.described() if target else ()), *steps, f"witnessed when {fault.SEEN_BY}"]
    emit(told, as_json=as_json, text="\n".join(lines))
    return 0


def _teller(hold_for: str) -> Callable[[Struck], None]:
    def tell(struck: Struck) -> None:
        if struck.witness.seen:
            until = f"for {hold_for}" if hold_for else "until Ctrl-C"
            terminal().print(f"It acts, {until}: {'; '.join(struck.witness.evidence)}", highlight=False)

    return tell


def _told(held: Held, directory: Path) -> str:
    if held.witnessed:
        return f"It acted for {held.acted_s:.1f} s and is undone; its journal is in {directory}."
    return f"It was not seen to act, and nothing of it is left: {'; '.join(held.evidence)}"
