"""Every fault that there is, by name, and its documentation as its code tells it. Pure."""

from __future__ import annotations

from difflib import get_close_matches
from typing import get_type_hints

import msgspec
from msgspec import Struct

from bascule.chaos.faults.clocks import ClockDrift, ClockStep
from bascule.chaos.faults.disk import DiskFull, DiskLostWrites, DiskReadOnly, DiskSlow, SyncFailure
from bascule.chaos.faults.endings import OutOfMemory, ProcessSignals
from bascule.chaos.faults.host import HostReboot, PowerLoss
from bascule.chaos.faults.limits import DescriptorExhaustion
from bascule.chaos.faults.naming import DnsFault
from bascule.chaos.faults.network import Partition
from bascule.chaos.faults.port import Fault
from bascule.chaos.faults.ports import PortExhaustion
from bascule.chaos.faults.process import CrashLoop, MainProcessKill, ProcessFreeze, ProcessKill, ProcessSlow
from bascule.chaos.faults.proxies import PROXY_KINDS, AnyProxyFault
from bascule.chaos.faults.traffic import (
    Bandwidth,
    ConnectionRefusal,
    ConnectionReset,
    NetworkCut,
    NetworkDelay,
    PacketCorruption,
    PacketDuplication,
    PacketLoss,
    PacketReordering,
)
from bascule.kernel.errors import InputError

AnyFault = (
    ProcessKill
    | MainProcessKill
    | CrashLoop
    | ProcessFreeze
    | ProcessSlow
    | DescriptorExhaustion
    | PowerLoss
    | Partition
    | NetworkDelay
    | PacketLoss
    | NetworkCut
    | PacketDuplication
    | PacketReordering
    | PacketCorruption
    | Bandwidth
    | ConnectionReset
    | ConnectionRefusal
    | OutOfMemory
    | ProcessSignals
    | HostReboot
    | DiskFull
    | DiskSlow
    | DiskReadOnly
    | SyncFailure
    | DiskLostWrites
    | AnyProxyFault
    | ClockStep
    | ClockDrift
    | DnsFault
    | PortExhaustion
)
KINDS: tuple[type[Fault], ...] = (
    ProcessKill,
    MainProcessKill,
    CrashLoop,
    ProcessFreeze,
    ProcessSlow,
    DescriptorExhaustion,
    PowerLoss,
    Partition,
    NetworkDelay,
    PacketLoss,
    NetworkCut,
    PacketDuplication,
    PacketReordering,
    PacketCorruption,
    Bandwidth,
    ConnectionReset,
    ConnectionRefusal,
    OutOfMemory,
    ProcessSignals,
    HostReboot,
    DiskFull,
    DiskSlow,
    DiskReadOnly,
    SyncFailure,
    DiskLostWrites,
    *PROXY_KINDS,
    ClockStep,
    ClockDrift,
    PortExhaustion,
    DnsFault,
)


class Parameter(Struct, frozen=True, kw_only=True):
    """One parameter of a fault: its name, its type with its range, and its default; None: it must be given."""

    name: str
    type: str
    default: str | None


def named(name: str) -> type[Fault]:
    """The fault of this name.

    Raises:
        InputError: There is none.
    """
    known = {kind.kind(): kind for kind in KINDS}
    if name not in known:
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
        raise InputError(f"no fault is called {name!r}", hint=hint)
    return known[name]


def parameters(kind: type[Fault]) -> tuple[Parameter, ...]:
    """What can be said of a fault of this kind."""
    types = get_type_hints(kind, include_extras=True)
    return tuple(
        Parameter(
            name=field.name,
            type=_type(msgspec.inspect.type_info(types[field.name])),
            default=None if field.required else str(field.default),
        )
        for field in msgspec.structs.fields(kind)
    )


def _type(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.FloatType(ge=least, le=most) | msgspec.inspect.IntType(ge=least, le=most):
            word = "whole number" if isinstance(kind, msgspec.inspect.IntType) else "number"
            return f"{word}, {least:g} to {most:g}" if least is not None and most is not None else word
        case msgspec.inspect.VarTupleType() | msgspec.inspect.TupleType():
            return "names"
        case _:
            return "name"


def parse(name: str, words: tuple[str, ...]) -> AnyFault:
    """The fault that the words `parameter=value` describe; several names are separated by commas.

    Raises:
        InputError: There is no such fault or parameter, one is missing, or a value is out of its range.
    """
    kind = named(name)
    types = {each.name: each.type for each in parameters(kind)}
    fields: dict[str, object] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in types:
            hint = f"{name} has {', '.join(types)}: bascule fault show {name}"
            raise InputError(f"{word!r} is not a parameter of {name}", hint=hint)
        fields[key] = value.split(",") if types[key] == "names" else value
    try:
        fault: AnyFault = msgspec.convert({"fault": name, **fields}, AnyFault, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{name}: {error}", hint=f"bascule fault show {name}") from error
    return fault
