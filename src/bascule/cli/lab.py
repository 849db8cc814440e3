"""`bascule lab`: bring a system up on this machine, look at it, and take it down."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from rich.table import Table

from bascule.cli.output import print_json, terminal
from bascule.cli.system_file import load_checked
from bascule.engines.protocols import Observation
from bascule.kernel.errors import InputError
from bascule.lab import world
from bascule.lab.abilities import Abilities, demand
from bascule.lab.lab import Lab

app = App(name="lab", help="Run a system on this machine: real programs, as real hosts.")

LABS = Path(".bascule")
Isolation = Literal["auto", "namespaces", "loopback"]
Directory = Annotated[Path | None, Parameter(name=["--dir", "-d"])]
Json = Annotated[bool, Parameter(name="--json")]


def _directory(given: Path | None, mark: str = "lab.json") -> Path:
    """The lab that is meant: the one given, or the only one below `.bascule/` that has the mark."""
    if given is not None:
        return given
    found = sorted(path.parent for path in LABS.glob(f"*/{mark}"))
    if len(found) == 1:
        return found[0]
    what = "no lab is up here" if not found else f"several labs are here: {', '.join(map(str, found))}"
    raise InputError(what, hint="bascule lab up FILE" if not found else "say which with --dir")


@app.command
def up(
    file: Path,
    /,
    *,
    directory: Directory = None,
    isolation: Isolation = "auto",
    disks: Annotated[bool, Parameter(name="--disks", negative="")] = False,
    clocks: Annotated[bool, Parameter(name="--clocks", negative="")] = False,
    names: Annotated[bool, Parameter(name="--names", negative="")] = False,
    as_json: Json = False,
) -> int:
    """Start every member of the system and return when all of them are whole; the lab stays until `lab down`.

    Examples:
        bascule lab up examples/taskmanagerpro/bascule.yaml
        bascule lab up my.yaml --dir /var/tmp/mylab --isolation loopback
        bascule lab up my.yaml --disks --clocks --names

    Args:
        file: The system file.
        directory: Where the lab lives. Default: .bascule/NAME-OF-THE-SYSTEM
        isolation: namespaces makes real hosts; loopback needs no rights but cannot cut a network.
        disks: Put disks that can fail under the members, for the faults disk-...; they make writing slower.
        clocks: Start members with libfaketime, for the faults clock-...; only their wall clocks can be turned.
        names: Give each host a resolver that knows hosts and components by name, for the fault dns-failure.
        as_json: Print one JSON object instead of text.
    """
    system = load_checked(file)
    where = directory or LABS / system.system
    wanted = Abilities(disks=disks, clocks=clocks, names=names)
    demand(wanted, isolation)
    console = terminal()
    with console.status("making hosts") as status:
        lab = Lab.up(
            system,
            where,
            source=file,
            isolation=isolation,
            progress=status.update,
            wanted=wanted,
        )
    lab.world.keep()
    lab.close()
    if as_json:
        print_json({"directory": str(where), "hosts": [host.name for host in lab.plan.hosts]})
    else:
        terminal(out=True).print(
            f"{system.system} is up in {where}: {len(lab.plan.members)} members, all whole\n"
            f"bascule lab status · bascule lab exec HOST -- COMMAND · bascule lab logs MEMBER · bascule lab down"
        )
    return 0


@app.command
def status(*, directory: Directory = None, as_json: Json = False) -> int:
    """Show each member: whether it is up, its role, and what it says of itself. Exit code 1 if one is not whole.

    Examples:
        bascule lab status
        bascule lab status --json
    """
    lab = Lab.attach(_directory(directory))
    try:
        seen = {name: one for members in lab.observe().values() for name, one in members.items()}
        memory_mib = lab.world.memory_bytes() / 2**20
    finally:
        lab.close()
    if as_json:
        members = [
            {"member": m.name, "zone": m.zone, "address": m.address, "observation": seen[m.name]}
            for m in lab.plan.members
        ]
        print_json({"system": lab.plan.system, "members": members, "memory_mib": round(memory_mib, 1)})
    else:
        terminal(out=True).print(_status_table(lab, seen, memory_mib))
    return 0 if all(one.up and one.whole for one in seen.values()) else 1


def _status_table(lab: Lab, seen: dict[str, Observation], memory_mib: float) -> Table:
    table = Table("member", "zone", "address", "up", "role", "says", title=f"{lab.plan.system} · {memory_mib:.0f} MiB")
    for member in lab.plan.members:
        one = seen[member.name]
        up_text = "whole" if one.up and one.whole else "up" if one.up else "DOWN"
        table.add_row(member.name, member.zone, member.address, up_text, one.role, one.detail)
    return table


@app.command(name="exec")
def execute(host: str, /, *command: str, directory: Directory = None, timeout_s: float = 60.0) -> int:
    """Run a command on a host of the lab, inside its network; its output and exit code are yours.

    Examples:
        bascule lab exec client -- curl -s http://10.88.1.12:8080/health/ready
        bascule lab exec database-paris-a-1 -- ip address

    Args:
        host: A host: a member's name, probe-ZONE, or client.
        command: The command and its arguments, after `--`.
        directory: Where the lab lives.
        timeout_s: Ended after this many seconds.
    """
    if not command:
        raise InputError("no command was given", hint="bascule lab exec HOST -- COMMAND ARGUMENTS")
    lab = Lab.attach(_directory(directory))
    try:
        done = lab.world.run(host, command, timeout_s=timeout_s)
    finally:
        lab.close()
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.flush()
    sys.stderr.buffer.write(done.stderr)
    return done.exit_code


@app.command
def logs(member: str, /, *, directory: Directory = None, lines: int = 50) -> int:
    """Print the last lines of a member's log; each begins with seconds of the monotonic clock.

    Examples:
        bascule lab logs database-paris-a-1
        bascule lab logs edge-lyon-a-1 --lines 200
    """
    where = _directory(directory, "logs")
    path = where / "logs" / f"{member}.log"
    if path.parent != where / "logs" or not path.is_file():
        known = ", ".join(sorted(log.stem for log in (where / "logs").glob("*.log")))
        raise InputError(f"no log of {member!r}", where=str(where), hint=f"there are {known}")
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in text[-lines:]:
        sys.stdout.write(line + "\n")
    return 0


@app.command
def down(*, directory: Directory = None, purge: bool = False, as_json: Json = False) -> int:
    """End everything that runs in the lab. Its directory with logs and data stays, unless --purge.

    Examples:
        bascule lab down
        bascule lab down --dir /var/tmp/mylab --purge

    Args:
        directory: Where the lab lives.
        purge: Remove what the lab made, and its directory if nothing else is in it.
        as_json: Print one JSON object instead of text.
    """
    where = _directory(directory)
    if purge:
        gone = world.purge(where)
    else:
        world.destroy(where)
        gone = False
    if as_json:
        print_json({"directory": str(where), "purged": purge, "directory_removed": gone})
    else:
        rest = f"; what is not its own is left in {where}" if purge and not gone else ""
        terminal(out=True).print(f"the lab in {where} is down{rest}")
    return 0
