"""The system that an audit is held to: read, and predicted, from the files that were read already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bascule.audit import reading
from bascule.audit.estate import Estate
from bascule.kernel.errors import InputError
from bascule.system.model import System

if TYPE_CHECKING:  # as in the audit's estate
    from bascule.availability.prediction import Prediction

LIMIT_S = 5.0
"""For each question to the prediction; without an answer the rules that ask for it find nothing."""


def take_system(estate: Estate, name: str, *, required: bool, reports: Sequence[Path] = ()) -> bool:
    """Take the system from the file of this name, when it is one, with what is predicted of it.

    Args:
        estate: What was read; the file is among it.
        name: The file's, as it was read.
        required: Refuse a file that describes no system.
        reports: Drills of it: what they measured counts for the prediction.

    Raises:
        SystemFileError: With every problem of the file.
        InputError: It is required, and cannot be read.
    """
    document = reading.system_document(estate, name)
    if document is None and not required:
        return False
    if name not in estate.files:
        raise InputError("this system file cannot be read", where=name)
    from bascule.system import parse_located  # noqa: PLC0415 - only an audit with a system needs it

    estate.system, estate.positions = parse_located(estate.files[name].text, name)
    estate.claims[name, document.number if document is not None else 1] = "system"
    estate.prediction = predicted(estate.system, reports)
    return True


def predicted(system: System, reports: Sequence[Path] = ()) -> Prediction:
    """The prediction of a system, without simulated months."""
    from bascule.availability.predict import Asked, predict  # noqa: PLC0415 - only an audit with a system needs it
    from bascule.cli.predict_measured import measured  # noqa: PLC0415 - as above
    from bascule.cli.predicting import allow  # noqa: PLC0415 - as above
    from bascule.engines import registry  # noqa: PLC0415 - as above

    drilled = measured(system, reports) if reports else {}
    return predict(system, registry.figures(system), drilled, Asked(allow=allow, limit_s=LIMIT_S))
