"""What is typical of an etcd component, and what follows from its options. Pure."""

from __future__ import annotations

from msgspec import structs

from bascule.availability.figures import TYPICAL, Figures
from bascule.engines import decoding
from bascule.engines.etcd.options import Options
from bascule.engines.etcd.render import round_trip_ms, timing_ms
from bascule.kernel.quantities import Duration
from bascule.system.model import System

_WAIT = "raft draws each wait between one and two election timeouts (etcd 3.5, raft)"

FIGURES = (
    TYPICAL.but("needed", "majority", "a write is stored once a majority has it (D. Ongaro, J. Ousterhout, Raft, 2014)")
    .but("redundancy", "standby", "one member leads; only its loss interrupts the others' clients")
    .but("failover", Duration(0.75), f"one and a half election timeouts of 500ms, on average: {_WAIT}")
)
"""Of three members or more on one site, with the defaults."""


def figures(system: System, name: str) -> Figures:
    """The typical figures, with the length of an election as it follows from options and links."""
    trip_ms = round_trip_ms(system, name)
    _, election_ms = timing_ms(decoding.of(system.components[name], Options), trip_ms)
    source = f"1.5 x election timeout of {election_ms}ms + a round trip of {trip_ms}ms for the votes: {_WAIT}"
    found = FIGURES.but("failover", Duration((1.5 * election_ms + trip_ms) / 1000), source)
    return structs.replace(found, lost=Duration(0.0))
