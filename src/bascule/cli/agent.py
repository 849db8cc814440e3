"""`bascule agent`: one node's part in a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bascule.cli.output import emit
from bascule.cluster.agent import main
from bascule.cluster.agent.configuration import Configuration, load
from bascule.cluster.agent.examination import examine
from bascule.cluster.stores import postgresql_options
from bascule.kernel.errors import InputError

app = App(name="agent", help="Take part in a cluster: hold leases, and have addresses and services follow them.")

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]


@app.command
def run(file: Path, /) -> int:
    """Run this node's agent in the foreground until SIGTERM or Ctrl-C; then it gives everything back.

    Facts go to standard error, one JSON object a line. SIGHUP has the file read again: groups and checks change, leases
    go on. See docs/cluster.md.

    Examples:
        bascule agent run /etc/bascule/agent.toml

    Args:
        file: The agent's file, TOML.
    """
    configuration = load(file)
    examine(configuration)
    main.run(configuration)
    return 0


@app.command
def check(file: Path, /, *, as_json: Json = False) -> int:
    """Say what an agent's file means, or what is wrong with it; nothing is run.

    Examples:
        bascule agent check /etc/bascule/agent.toml
        bascule agent check /etc/bascule/agent.toml --json

    Args:
        file: The agent's file, TOML.
        as_json: Print one JSON document instead of text.
    """
    configuration = load(file)
    examine(configuration)
    told = _told(configuration)
    emit(told, as_json=as_json, text=_shown(configuration))
    return 0


@app.command
def schema(file: Path, /) -> int:
    """Print the SQL of the table in which leases live, for an administrator who makes it; PostgreSQL alone needs one.

    Examples:
        bascule agent schema /etc/bascule/agent.toml | psql

    Args:
        file: The agent's file, TOML.
    """
    configuration = load(file)
    if configuration.store.kind != "postgresql":
        raise InputError(f"a store of kind {configuration.store.kind} needs no schema", where=str(file))
    emit(None, as_json=False, text=postgresql_options.schema(configuration.store.options))
    return 0


def _shown(configuration: Configuration) -> Group:
    timing, agent = configuration.timing, configuration.agent
    store = (
        "all holders stop" if agent.without_store == "step_down" else "holders go on while all their peers confirm it"
    )
    lines = (
        f"agent   {agent.name} of {agent.cluster}; orders by {configuration.control}",
        f"store   {configuration.store.kind}; while it is away, {store}",
        f"lease   {timing.ttl_s:g} s, renewed every {timing.renew_s:.3g} s; rivals wait for {timing.ttl_s:g} s,",
        f"        unconfirmed, the holder stops from {timing.stop_at_s(0):.3g} s on, ends by {timing.valid_s:.3g} s",
    )
    groups = Table("group", "priority", "what follows it", "check", "fencing")
    for name, group in configuration.groups.items():
        follows = ", ".join(one.kind for one in group.actuators) or "nothing"
        check = group.check.kind if group.check else "none"
        groups.add_row(name, str(group.table.priority), follows, check, group.table.fencing)
    return Group(*(Text(line) for line in lines), groups)


def _told(configuration: Configuration) -> dict[str, object]:
    timing = configuration.timing
    return {
        "agent": f"{configuration.agent.name} of {configuration.agent.cluster}",
        "store": configuration.store.kind,
        "groups": {
            name: {
                "priority": group.table.priority,
                "follows": [one.kind for one in group.actuators],
                "check": group.check.kind if group.check else "none",
                "fencing": group.table.fencing,
            }
            for name, group in configuration.groups.items()
        },
        "lease": {
            "ttl_s": timing.ttl_s,
            "renewed_every_s": round(timing.renew_s, 4),
            "begins_to_stop_after_s": round(timing.stop_at_s(0), 4),
            "valid_for_s": round(timing.valid_s, 4),
            "rivals_wait_s": timing.ttl_s,
        },
        "without_store": configuration.agent.without_store,
        "control": str(configuration.control),
    }
