"""The virtual routers of keepalived configurations: one instance per host, and which of them belong together. Pure.

Source: keepalived.conf(5) of 2.2, vrrp_instance and vrrp_script; defaults: state BACKUP, priority 100, advert_int 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bascule.audit.estate import Estate
from bascule.audit.keepalived.configuration import Configuration, Statement
from bascule.audit.place import Place

PRIORITY, ADVERT_S = 100, 1.0
_WHOLE = re.compile(r"[+-]?[0-9]{1,8}")
_SECONDS = re.compile(r"[0-9]{1,8}(\.[0-9]{0,8})?")
_DEFINED = {"track_script": "vrrp_script", "track_process": "vrrp_track_process"}
TRACKERS = ("track_script", "track_process", "track_file", "track_interface", "track_bfd")


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One `vrrp_instance` of one host.

    Attributes:
        router: Its virtual_router_id; None where it is missing or varies.
        addresses: Its virtual addresses, without their prefix lengths.
        defined: The scripts and processes that the host may track, by kind and name.
        is_tracked: Whether it, or a group that it is in, tracks anything, or its service is keepalived's own: a
            `virtual_server` at one of its addresses.
    """

    configuration: Configuration
    block: Statement
    router: int | None
    addresses: frozenset[str]
    defined: Mapping[tuple[str, str], Statement]
    is_tracked: bool

    @property
    def file(self) -> str:
        """The file that it is in, which stands for its host."""
        return self.configuration.file.name

    @property
    def subject(self) -> str:
        """For people: `vrrp_instance edge`."""
        return f"vrrp_instance {self.block.word(1)}"

    @property
    def interface(self) -> str:
        """The interface that it speaks on; empty where it is missing or varies."""
        return self.block.value("interface") or ""

    @property
    def state(self) -> str:
        """`MASTER` or `BACKUP`, as it starts; empty where it varies."""
        return "" if self.block.varies("state") else (self.block.value("state") or "BACKUP")

    @property
    def priority(self) -> int | None:
        """Before anything is tracked; None where it varies."""
        return None if self.block.varies("priority") else whole(self.block.value("priority"), PRIORITY)

    @property
    def advert_s(self) -> float | None:
        """From one advert to the next; None where it varies."""
        return None if self.block.varies("advert_int") else seconds(self.block.value("advert_int"), ADVERT_S)

    @property
    def is_unicast(self) -> bool:
        """Whether it sends its adverts to a list of hosts alone."""
        return bool(self.block.all("unicast_peer"))

    @property
    def version(self) -> str:
        """Of VRRP, as far as it is written: `2` or `3`; empty where nothing is."""
        defaults = self.configuration.root.one("global_defs")
        return self.block.value("version") or (defaults.value("vrrp_version") if defaults else "") or ""

    def at(self, name: str) -> Place:
        """Where the statement of this name stands; the instance where it has none."""
        found = self.block.one(name)
        return found.place if found else self.block.place

    def weights(self) -> list[tuple[Statement, int]]:
        """Everything that it tracks, with the weight that it has: of the instance, else of the thing itself."""
        found: list[tuple[Statement, int]] = []
        for tracker in ("track_script", "track_process", "track_interface"):
            for entry in self.block.inside(tracker):
                own = entry.word(2) if entry.word(1) == "weight" else None
                defined = self.defined.get((tracker, entry.name))
                weight = whole(own if own is not None else defined.value("weight") if defined else None, 0)
                if weight is not None:
                    found.append((entry, weight))
        return found


@dataclass(frozen=True, slots=True)
class Routers:
    """All instances, and the virtual routers of several hosts: those with one id and an address in common."""

    instances: tuple[Instance, ...]
    groups: tuple[tuple[Instance, ...], ...]


def routers(estate: Estate) -> Routers:
    """Every instance of every file. For `Estate.index`."""
    found = [instance for one in estate.of(Configuration) for instance in _instances(one)]
    by_address: dict[tuple[int, str], list[Instance]] = {}
    groups: list[list[Instance]] = []
    for each in found:
        if each.router is None or not each.addresses:
            continue
        keys = [(each.router, address) for address in sorted(each.addresses)]
        group = next((by_address[key] for key in keys if key in by_address), None)
        if group is None:
            group = []
            groups.append(group)
        group.append(each)
        for key in keys:
            by_address.setdefault(key, group)
    hosts = [tuple({one.file: one for one in reversed(group)}.values())[::-1] for group in groups]
    return Routers(tuple(found), tuple(group for group in hosts if len(group) > 1))


def _instances(configuration: Configuration) -> list[Instance]:
    root = configuration.root
    defined = {(by, one.word(1)): one for by, kind in _DEFINED.items() for one in root.all(kind)}
    tracked = {
        word.text
        for group in root.all("vrrp_sync_group")
        if any(group.all(each) for each in (*TRACKERS, "global_tracking"))
        for line in group.inside("group")
        for word in line.words
    }
    served = {one.word(1) for one in root.all("virtual_server")}
    return [
        Instance(
            configuration=configuration,
            block=block,
            router=whole(block.value("virtual_router_id"), None),
            addresses=addresses,
            defined=defined,
            is_tracked=block.word(1) in tracked
            or any(block.all(each) for each in TRACKERS)
            or not served.isdisjoint({*addresses, "group", "fwmark"}),
        )
        for block in root.all("vrrp_instance")
        for addresses in (_addresses(block),)
    ]


def _addresses(block: Statement) -> frozenset[str]:
    return frozenset(one.name.partition("/")[0] for one in block.inside("virtual_ipaddress") if "$" not in one.name)


def whole(text: str | None, default: int | None) -> int | None:
    """A whole number with its sign; the default where nothing is written, None where the text is none."""
    if text is None:
        return default
    return int(text) if _WHOLE.fullmatch(text) else None


def seconds(text: str | None, default_s: float) -> float | None:
    """Seconds; the default where nothing is written, None where the text is no number."""
    if text is None:
        return default_s
    return float(text) if _SECONDS.fullmatch(text) else None
