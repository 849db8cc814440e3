"""`bascule cluster`: who is in charge, asked of this node's agent; and orders to it."""

from __future__ import annotations

import getpass
import os
import socket
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from bascule.cli.cluster_status import shown
from bascule.cli.output import emit, terminal
from bascule.cluster.agent.configuration import AgentSection, Configuration, load
from bascule.cluster.agent.control import Request, ask
from bascule.cluster.agent.registry import Chosen
from bascule.cluster.agent.status import GroupStatus, Status
from bascule.cluster.explain import Layout, Voter, explain
from bascule.cluster.explain import render as explained
from bascule.cluster.timeline import read as read_facts
from bascule.cluster.timeline import render
from bascule.kernel.errors import AbortedError, BasculeError, ClusterError, InputError
from bascule.kernel.quantities import Duration

app = App(name="cluster", help="Who is in charge: look, hand over, pause, fence.")

DEFAULT = Path("/etc/bascule/agent.toml")
LOG_LIMIT = 100_000_000
"""Characters of one log: hours of an agent that tells a fact a millisecond."""
File = Annotated[Path, Parameter(name=["--agent", "-a"], help="The file of this node's agent.")]
Socket = Annotated[
    Path | None, Parameter(name="--socket", help="The agent's control socket, where its file does not tell it.")
]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]
Yes = Annotated[bool, Parameter(name=["--yes", "-y"], help="Do not ask.")]
DryRun = Annotated[bool, Parameter(name="--dry-run", help="Say what would be done, and do nothing.")]


@app.command(name="status")
def show(*, agent: File = DEFAULT, control: Socket = None, as_json: Json = False) -> int:
    """Show who holds each group, who else may, and how the store is; exit code 1 if a group is not served.

    Examples:
        bascule cluster status
        bascule cluster status --agent /etc/bascule/agent.toml --json

    Args:
        agent: The file of this node's agent.
        control: The agent's control socket, where its file does not tell it.
        as_json: Print one JSON document instead of text.
    """
    now = _status(_place(agent, control))
    emit(now, as_json=as_json, text=shown(now))
    return 0 if all(group.serving for group in now.groups) else 1


@app.command
def switchover(
    group: str,
    /,
    to: str = "",
    *,
    agent: File = DEFAULT,
    control: Socket = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Hand a group over: the holder stops, then the other one starts. Nothing happens if nobody else may be chosen.

    Examples:
        bascule cluster switchover edge
        bascule cluster switchover edge edge-2 --yes

    Args:
        group: The group.
        to: The agent that takes it; by default the best.
        agent: The file of this node's agent.
        control: The agent's control socket, where its file does not tell it.
        yes: Do not ask.
        dry_run: Say what would be done, and do nothing.
        as_json: Print one JSON document instead of text.
    """
    place = _place(agent, control)
    found = next((one for one in _status(place).groups if one.group == group), None)
    if found is None:
        raise InputError(f"this agent has no group {group!r}", hint="bascule cluster status")
    plan = _plan(found, to)
    if not _settled(plan, yes=yes, dry_run=dry_run, as_json=as_json):
        return 0
    done = _order(place, Request(do="switchover", group=group, to=to, by=_who()))
    emit(done, as_json=as_json, text=f"{group}: {done['from']} -> {done['to']}, {done['took_s']} s")
    return 0


@app.command(name="explain")
def explain_layout(
    *,
    agent: File = DEFAULT,
    voter: tuple[str, ...] = (),
    site: tuple[str, ...] = (),
    round_trip: str = "5ms",
    election: str = "1s",
    as_json: Json = False,
) -> int:
    """Explain quorum, witness, lease times and cost of a layout: what may be lost, and how long a takeover takes.

    Examples:
        bascule cluster explain --voter etcd-1=paris --voter etcd-2=lyon --voter etcd-3=bern --site edge-1=paris
        bascule cluster explain --agent agent.toml --round-trip 20ms --json

    Args:
        agent: The file of an agent, for its lease and its groups; with `--voter`, defaults do where there is none.
        voter: A voting member of the store and its site, NAME=SITE; once for each.
        site: An agent and its site, NAME=SITE; once for each.
        round_trip: From an agent to the store and back.
        election: How long the store may take to elect another leader.
        as_json: Print one JSON document instead of text.
    """
    found = explain(
        msgspec.structs.replace(
            _configured(agent, defaults_do=bool(voter)),
            voters=tuple(Voter(name=name, site=where) for name, where in _pairs("voter", voter).items()),
            agents=_pairs("site", site),
            round_trip_s=Duration.parse(round_trip).seconds,
            election_s=Duration.parse(election).seconds,
        )
    )
    emit(found, as_json=as_json, text=explained(found))
    return 0


def _configured(agent: Path, *, defaults_do: bool) -> Layout:
    """What an agent's file says of a layout; where no file is at the usual place, all defaults may do."""
    try:
        configuration = load(agent)
    except InputError as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        if defaults_do and agent == DEFAULT:
            return Layout(assumed=True)
        raise InputError(
            error.what, where=error.where, hint="--agent FILE, or the store as --voter NAME=SITE"
        ) from error
    options = configuration.store.options
    voting = getattr(options, "endpoints", getattr(options, "servers", ()))
    return Layout(
        timing=configuration.timing,
        hold=configuration.agent.without_store == "hold",
        groups=tuple(part.decided for part in configuration.groups.values()),
        servers=len(voting or getattr(options, "hosts", ())) or 1,
        elects=bool(voting),
    )


def _pairs(option: str, texts: tuple[str, ...]) -> dict[str, str]:
    """The site of each name.

    Raises:
        InputError: A text names none; or a name comes twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, separator, where = text.partition("=")
        if not (name and separator and where):
            raise InputError(f"{text[:60]!r} names no site", hint="write it like etcd-1=paris")
        if name in found:
            raise InputError(f"--{option} names {name[:60]!r} twice", hint="one site for each")
        found[name] = where
    return found


@app.command
def timeline(*logs: Path, as_json: Json = False) -> int:
    """Draw what agents told, from their logs: a column for each agent, a line for each fact.

    Examples:
        bascule cluster timeline edge-1.log edge-2.log
        journalctl -u bascule-agent -o cat > a.log; bascule cluster timeline a.log

    Args:
        logs: Files with facts, one JSON object a line; other lines are passed over.
        as_json: Print one JSON document instead of text.
    """
    if not logs:
        raise InputError("no log is named", hint="bascule cluster timeline FILE ...")
    lines: list[str] = []
    for log in logs:
        try:
            with log.open(encoding="utf-8", errors="replace") as stream:
                text = stream.read(LOG_LIMIT + 1)
        except OSError as error:
            raise InputError(f"it cannot be read: {error.strerror}", where=str(log)) from error
        if len(text) > LOG_LIMIT:
            raise InputError(f"it has more than {LOG_LIMIT} characters", where=str(log), hint="cut the time out")
        lines += text.splitlines()
    told = read_facts(lines)
    if not told:
        raise InputError("no fact of an agent is among these lines", where=", ".join(map(str, logs))[:200])
    emit(told, as_json=as_json, text=render(told, width=terminal(out=True).width))
    return 0


@app.command
def pause(*, agent: File = DEFAULT, control: Socket = None, as_json: Json = False) -> int:
    """Let holders go on, and nobody take over, until `resume`: for maintenance of the store or of the network.

    Examples:
        bascule cluster pause

    Args:
        agent: The file of this node's agent.
        control: The agent's control socket, where its file does not tell it.
        as_json: Print one JSON document instead of text.
    """
    emit(
        _order(_place(agent, control), Request(do="pause", by=_who())),
        as_json=as_json,
        text="paused: nobody takes over from anybody",
    )
    return 0


@app.command
def resume(*, agent: File = DEFAULT, control: Socket = None, as_json: Json = False) -> int:
    """End a pause: groups without a holder are taken over again.

    Examples:
        bascule cluster resume

    Args:
        agent: The file of this node's agent.
        control: The agent's control socket, where its file does not tell it.
        as_json: Print one JSON document instead of text.
    """
    emit(_order(_place(agent, control), Request(do="resume", by=_who())), as_json=as_json, text="resumed")
    return 0


@app.command
def fence(
    peer: str,
    /,
    *,
    confirmed: bool = False,
    agent: File = DEFAULT,
    control: Socket = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Cut a node off for sure, as its `[fences.NAME]` says, and let its groups be taken over at once.

    Examples:
        bascule cluster fence edge-1
        bascule cluster fence edge-1 --confirmed --yes

    Args:
        peer: The agent of the node.
        confirmed: You know that the node is off: nothing is done to it. If it is not off, two may act.
        agent: The file of this node's agent.
        control: The agent's control socket, where its file does not tell it.
        yes: Do not ask.
        dry_run: Say what would be done, and do nothing.
        as_json: Print one JSON document instead of text.
    """
    place = _place(agent, control)
    now = _status(place)
    known = next((one for one in now.peers if one.agent == peer), None)
    if known is None:
        raise InputError(f"no agent is called {peer!r}", hint="bascule cluster status")
    if peer == now.agent and not (confirmed and now.session == ""):  # one that waits may be the second of its name
        hint = "stop it; if a second agent has its name: --confirmed, once that one is off for sure"
        raise InputError("an agent does not fence itself", hint=hint)
    how = "is taken to be off, by your word" if confirmed else "is cut off by its fence agent"
    alive = f" ALTHOUGH it was seen alive {known.seen_s:g} s ago" if known.alive else ""
    if not _settled(f"{peer} {how}{alive}; its groups are taken over", yes=yes, dry_run=dry_run, as_json=as_json):
        return 0
    done = _order(place, Request(do="fence", peer=peer, confirmed=confirmed, by=_who()))
    then = "once the pause ends (bascule cluster resume)" if done["paused"] else "now"
    emit(done, as_json=as_json, text=f"{peer}: its groups may be taken over {then}")
    return 0


@app.command
def reload(*, agent: File = DEFAULT, control: Socket = None, as_json: Json = False) -> int:
    """Have this node's agent read its file again; its leases go on.

    Examples:
        bascule cluster reload

    Args:
        agent: The file of this node's agent.
        control: The agent's control socket, where its file does not tell it.
        as_json: Print one JSON document instead of text.
    """
    done = _order(_place(agent, control), Request(do="reload"))
    emit(done, as_json=as_json, text=f"groups: {', '.join(done['groups'])}")
    return 0


def _place(agent: Path, control: Path | None) -> Path:
    """The control socket: as it is given, or as the agent's file says, also when the rest of the file is wrong.

    Raises:
        BasculeError: The file does not tell it.
    """
    if control is not None:
        return control
    try:
        return load(agent).control
    except BasculeError as error:
        place = _from_a_broken_file(agent)
        if place is None:
            hint = f"{error.hint}; " if error.hint else ""
            raise type(error)(error.what, where=error.where, hint=f"{hint}--agent FILE or --socket PATH") from error
        terminal().print(f"the file is wrong, the agent that runs is asked all the same: {error}", soft_wrap=True)
        return place


def _from_a_broken_file(agent: Path) -> Path | None:
    """Where the control socket is by `[agent]` alone; None if that cannot be known."""
    try:
        table = tomllib.loads(agent.read_text(encoding="utf-8"))["agent"]
        told = {key: table[key] for key in ("cluster", "name", "control") if key in table}
        section = msgspec.convert(told, AgentSection)
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None
    section = msgspec.structs.replace(section, name=section.name or socket.gethostname().partition(".")[0])
    unknown = Chosen(kind="", options=None, module="")
    return Configuration(path=agent, agent=section, store=unknown).control


def _status(place: Path) -> Status:
    return msgspec.json.decode(ask(place, Request(do="status")), type=Status)


def _order(place: Path, request: Request) -> dict[str, Any]:
    return msgspec.json.decode(ask(place, request), type=dict[str, Any])


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # no name belongs to this number
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _plan(group: GroupStatus, to: str) -> str:
    """What a handover would do.

    Raises:
        ClusterError: It would be refused.
    """
    follows = to or next(iter(group.next), "")
    why = group.candidates.get(follows, "it does not stand for it")
    if not group.holder:
        raise ClusterError(f"nobody holds {group.group}", hint="bascule cluster status says why")
    if not follows:
        raise ClusterError(f"nobody else may be chosen for {group.group}", hint="bascule cluster status says why")
    if follows == group.holder:
        raise ClusterError(f"{follows} holds {group.group} already")
    if follows not in group.next:
        hint = f"who may: {', '.join(group.next) or 'nobody'}"
        raise ClusterError(f"{follows} may not be chosen for {group.group}: {why}", hint=hint)
    return f"{group.group}: {group.holder} stops, then {follows} starts"


def _settled(plan: str, *, yes: bool, dry_run: bool, as_json: bool) -> bool:
    """Whether to go on: after the plan was shown, and agreed to.

    Raises:
        AbortedError: The answer was no, or nobody is there to ask.
    """
    if dry_run:
        emit({"plan": plan}, as_json=as_json, text=plan)
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise AbortedError(f"nobody is there to agree to: {plan}", hint="--yes")
    sys.stderr.write(f"{plan}\nGo on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise AbortedError("nothing was done")
    return True
