"""Did anything happen that must never happen? Each checker judges one kind of evidence, and has mutants in its tests.

The load's own records: `check_set`, `check_epochs`; looks at an address: `check_holders`. Histories of one object:
`check_register` and `check_staleness`, `check_elements`, `check_appends`, `check_queue`.
"""

from bascule.measure.checkers.appends import AppendFindings, check_appends
from bascule.measure.checkers.elements import ElementFindings, check_elements
from bascule.measure.checkers.epochs import EpochFindings, check_epochs
from bascule.measure.checkers.holders import HolderFindings, Holding, check_holders
from bascule.measure.checkers.operations import Operation
from bascule.measure.checkers.queues import QueueFindings, check_queue
from bascule.measure.checkers.registers import RegisterFindings, check_register
from bascule.measure.checkers.sets import SetFindings, check_set
from bascule.measure.checkers.staleness import StaleFindings, check_staleness

__all__ = [
    "AppendFindings",
    "ElementFindings",
    "EpochFindings",
    "HolderFindings",
    "Holding",
    "Operation",
    "QueueFindings",
    "RegisterFindings",
    "SetFindings",
    "StaleFindings",
    "check_appends",
    "check_elements",
    "check_epochs",
    "check_holders",
    "check_queue",
    "check_register",
    "check_set",
    "check_staleness",
]
