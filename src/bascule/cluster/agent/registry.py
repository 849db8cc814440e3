"""Which stores, actuators, checks and fences an agent's file may name, and where each one is."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct

from bascule.cluster.actuators.port import Actuator
from bascule.cluster.stores.port import Store
from bascule.kernel.errors import MissingProgramError
from bascule.system.decoding import closest, decode
from bascule.system.problems import Finding

_ROOM = "bascule.cluster"
KINDS: Mapping[str, Mapping[str, str]] = {
    "store": {name: f"{_ROOM}.stores.{name}" for name in ("etcd", "postgresql", "sqlite", "nats", "kubernetes")},
    "actuator": {
        name: f"{_ROOM}.actuators.{name}"
        for name in ("vip", "haproxy", "dns", "route53", "bgp", "command", "systemd", "patroni")
    },
    "check": {name: f"{_ROOM}.checks.{name}" for name in ("tcp", "http", "command", "patroni")},
    "fence": {"fence_agent": f"{_ROOM}.fencing.fence_agents"},
}
"""Where each kind is. Its module has `Options` and `make`; it is imported only when a file names it."""


class Chosen(Struct, frozen=True, kw_only=True):
    """One part that a file asks for, with its options, not made yet."""

    kind: str
    options: Any
    module: str


def choose(document: object, family: str, path: str) -> tuple[Chosen | None, list[Finding]]:
    """The part that a table of the file asks for, by its `kind`, and everything that is wrong with it.

    Raises:
        MissingProgramError: A Python package that it needs is not installed.
    """
    if not isinstance(document, Mapping):
        return None, [Finding(path=path, what=f"expected a table, got {type(document).__name__}")]
    known = KINDS[family]
    kind = str(document.get("kind", ""))
    if kind not in known:
        what = f"unknown {family} {kind[:60]!r}" if kind else f"it is not said which {family} it is"
        return None, [Finding(path=f"{path}.kind", what=what, hint=closest(kind, tuple(known)))]
    options = getattr(_module(known[kind]), "Options")  # noqa: B009 - each such module has it
    chosen, findings = decode({key: value for key, value in document.items() if key != "kind"}, options, path)
    return (None if findings else Chosen(kind=kind, options=chosen, module=known[kind])), findings


def _module(path: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("bascule"):
            raise
        raise MissingProgramError(
            f"the Python package {error.name} is missing", where=path, hint="pip install 'bascule[cluster]'"
        ) from error


def make_store(chosen: Chosen, timeout_s: float) -> Store:
    """The store; it connects when it is first used.

    Args:
        chosen: From the file.
        timeout_s: How long one call may take.
    """
    return cast("Store", _module(chosen.module).make(chosen.options, timeout_s))


def make_actuator(chosen: Chosen) -> Actuator:
    """The actuator; it touches nothing yet."""
    return cast("Actuator", _module(chosen.module).make(chosen.options))


def make_other(chosen: Chosen) -> Any:  # noqa: ANN401 - a check or a fence, which the caller knows
    """The check or the fence."""
    return _module(chosen.module).make(chosen.options)
