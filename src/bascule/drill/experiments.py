"""The experiments that ship: what each breaks, in words, and the promise that it puts to the test. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.system.scenario import Scenario, Scope

Aims = Literal["primary", "entry"]
Kind = Literal[
    "kill", "kill-main", "freeze", "host-loss", "zone-loss", "region-loss", "partition", "switchover", "scenario"
]


class Experiment(Struct, frozen=True, kw_only=True):
    """One way to break a system, aimed at the primary of the component that has one, or at the system's entry.

    Attributes:
        name: As on the command line.
        title: For people.
        scope: Whose promise (RTO, RPO) it tests.
        kind: What is done.
        action: A verb with a place for the target: `killed {target}`.
        aims: At the primary; or at the member at which clients arrive: the one whose host has the entry's address, or
            the first one where they know all.
        scenario: Its timeline, where it is more than one fault.
    """

    name: str
    title: str
    scope: Scope
    kind: Kind
    action: str
    about: str
    aims: Aims = "primary"
    scenario: Scenario | None = None

    @property
    def cuts_power(self) -> bool:
        """Whether whole hosts go, and the clients on them."""
        return self.kind in {"host-loss", "zone-loss", "region-loss"}


_ALL = (
    Experiment(
        name="primary-kill",
        title="Kill the primary",
        scope="process",
        kind="kill",
        action="killed every process of {target}",
        about="SIGKILL to every process of the primary, its keeper included",
    ),
    Experiment(
        name="postmaster-kill",
        title="Kill the primary's main process alone",
        scope="process",
        kind="kill-main",
        action="killed the main process of {target}; its keeper lives",
        about="SIGKILL to the database server alone: its keeper restarts it, or fails over",
    ),
    Experiment(
        name="primary-freeze",
        title="Freeze the primary",
        scope="process",
        kind="freeze",
        action="froze every process of {target}",
        about="SIGSTOP to every process of the primary: connections stay open, nobody answers",
    ),
    Experiment(
        name="host-loss",
        title="Lose the primary's host",
        scope="host",
        kind="host-loss",
        action="cut the power of host {target}",
        about="the host's wire is cut, then everything on it is killed: no farewell packet",
    ),
    Experiment(
        name="zone-loss",
        title="Lose the primary's zone",
        scope="zone",
        kind="zone-loss",
        action="cut the power of zone {target}",
        about="every host of the zone is lost at once",
    ),
    Experiment(
        name="region-loss",
        title="Lose the primary's region",
        scope="region",
        kind="region-loss",
        action="cut the power of region {target}",
        about="every host of the region is lost at once",
    ),
    Experiment(
        name="partition",
        title="Partition the primary away",
        scope="host",
        kind="partition",
        action="partitioned {target} away",
        about="the primary's host, with a client beside it, is cut off from everything else; packets vanish",
    ),
    Experiment(
        name="switchover",
        title="Move the primary on purpose",
        scope="process",
        kind="switchover",
        action="asked {target} to hand over",
        about="a planned switchover: nothing is broken",
    ),
    Experiment(
        name="entry-kill",
        title="Kill the entry",
        scope="process",
        kind="kill",
        action="killed every process of {target}",
        about="SIGKILL to every process of the member at which clients arrive; its host, and what moves the entry's "
        "address there, lives on",
        aims="entry",
    ),
    Experiment(
        name="entry-host-loss",
        title="Lose the entry's host",
        scope="host",
        kind="host-loss",
        action="cut the power of host {target}",
        about="the wire of the host at which clients arrive is cut, then everything on it is killed",
        aims="entry",
    ),
    Experiment(
        name="entry-partition",
        title="Partition the entry away",
        scope="host",
        kind="partition",
        action="partitioned {target} away",
        about="the host at which clients arrive, with a client beside it, is cut off from everything else",
        aims="entry",
    ),
    Experiment(
        name="entry-switchover",
        title="Move the entry's address on purpose",
        scope="process",
        kind="switchover",
        action="asked {target} to hand the entry's address over",
        about="a planned move of the entry's address: nothing is broken",
        aims="entry",
    ),
)

CATALOGUE: dict[str, Experiment] = {experiment.name: experiment for experiment in _ALL}
DEFAULT = "primary-kill"
