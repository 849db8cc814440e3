"""Meets a target for the first time, and finds it again from what a journal says."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path

from bascule.chaos.journal import PlatformRef
from bascule.kernel.errors import InputError
from bascule.outside import link, trust
from bascule.outside.address import Address, parse
from bascule.outside.link import Link
from bascule.outside.platform import LEASE_S, OutsidePlatform


def _connect(address: Address, run: str, ssh_config: str) -> Link:
    if address.machine is None:
        return Link(link.here(run), "this machine")
    return Link(link.there(address.machine, run, ssh_config), f"ssh:{address.machine}")


def meet(address: Address, *, ssh_config: str = "", lease_s: float = LEASE_S) -> tuple[OutsidePlatform, PlatformRef]:
    """The target as it is now, alone on its platform, and how another process finds it again.

    Raises:
        FaultError: It is not there, or not reached.
    """
    run = secrets.token_hex(8)
    name = str(address)
    platform = OutsidePlatform(partial(_connect, address, run, ssh_config), {name: address}, run, lease_s=lease_s)
    seen = platform.seen[name]
    reference = PlatformRef(
        kind="ssh" if address.machine else "local",
        directory="",
        identity=f"{run}/{seen.boot}/{seen.start}",
        target=name,
        ssh_config=ssh_config,
    )
    return platform, reference


def attach(reference: PlatformRef) -> OutsidePlatform | None:
    """The target that a journal names; None when its machine was started anew since, and nothing of a fault is left.

    Whatever agent still holds it has undone everything, and ended, when this returns.

    Raises:
        FaultError: It is not reached.
        InputError: The journal names none.
    """
    address = parse(reference.target)
    words = reference.identity.split("/")
    if len(words) != 3 or not words[0].isalnum() or not words[2].isdigit():
        raise InputError("the journal does not say which target it was", where=reference.target)
    if reference.ssh_config:
        trust.read(Path(reference.ssh_config))
    run, boot, start = words
    platform = OutsidePlatform(
        partial(_connect, address, run, reference.ssh_config),
        {reference.target: address},
        run,
        boot=boot,
        starts={reference.target: int(start)},
    )
    if not platform.is_gone:
        return platform
    platform.close()
    return None
