"""What is the system, and what was promised? One file describes both; `load` reads it or says all that is wrong."""

from typing import TYPE_CHECKING

from bascule.kernel.later import later
from bascule.system.problems import Finding, Positions, Problem, SystemFileError

if TYPE_CHECKING:
    from bascule.system.reader import (
        load,
        load_as,
        load_experiments,
        load_located,
        parse,
        parse_experiments,
        parse_located,
    )

__all__ = [
    "Finding",
    "Positions",
    "Problem",
    "SystemFileError",
    "load",
    "load_as",
    "load_experiments",
    "load_located",
    "parse",
    "parse_experiments",
    "parse_located",
]

_LATER = dict.fromkeys(
    ("load", "load_as", "load_experiments", "load_located", "parse", "parse_experiments", "parse_located"), "reader"
)
__getattr__ = later(__name__, _LATER)
