"""What is typical of a Redis component: servers that know nothing of each other. Pure."""

from __future__ import annotations

from msgspec import structs

from bascule.availability.figures import TYPICAL, Figures
from bascule.kernel.quantities import Duration
from bascule.system.model import System

FIGURES = structs.replace(
    TYPICAL.but("mttr", Duration(600.0), "assumption: ten minutes, for it starts empty").but(
        "redundancy", "active", "each server stands alone: there is no replication here, and no failover of Redis's own"
    ),
    remark="what only a lost server had, like its users' sessions, is gone, which these figures do not count",
)
"""Of servers among which clients choose."""


def figures(system: System, name: str) -> Figures:  # noqa: ARG001 - what every engine's is asked with
    """The typical figures: clients go on with the next server by themselves."""
    return FIGURES
