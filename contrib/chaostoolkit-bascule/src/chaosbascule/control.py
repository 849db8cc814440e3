"""A control that leaves nothing behind: before the experiment the lab is there, after it everything is undone.

It acts before and after the whole experiment alone. However that ends (by a deviation, a failure, Ctrl-C, a signal),
what was injected is undone, and a lab that was made for it is ended; if the process is killed, the lab ends with it,
and the watchdog undoes what was injected in a lab that stays.
"""

import logging
from pathlib import Path
from typing import Any

from chaoslib.exceptions import InterruptExecution, InvalidActivity

from bascule.kernel.errors import BasculeError
from bascule.lab import mark
from bascule.lab.abilities import Abilities
from bascule.testing.breakable import BreakableLab
from bascule.testing.labs import bring_up
from chaosbascule import course

_log = logging.getLogger("chaostoolkit")
ARGUMENTS = ("lab", "system", "isolation", "disks", "clocks", "names")


def validate_control(control: dict[str, Any]) -> None:
    """Refuse arguments that this control does not know."""
    given = control.get("provider", {}).get("arguments", {})
    if not isinstance(given, dict) or set(given) - set(ARGUMENTS):
        raise InvalidActivity(f"the control of bascule has the arguments {', '.join(ARGUMENTS)}")
    if not given.get("lab"):
        raise InvalidActivity("the control of bascule needs the argument lab: the directory of the lab")


def before_experiment_control(
    context: dict[str, Any],
    lab: str,
    system: str = "",
    isolation: str = "auto",
    *,
    disks: bool = False,
    clocks: bool = False,
    names: bool = False,
) -> None:
    """See that the lab is up; where none is and a system file is given, make one that ends with the experiment.

    A dry run of all activities needs none.

    Raises:
        InterruptExecution: There is no lab and none can be made: the experiment does not begin.
    """
    now = course.begin()
    dry = context.get("dry")
    if getattr(dry, "value", dry) == "activities":
        return
    path = Path(lab).absolute()
    try:
        if system and not mark.is_held(path):
            _log.info("bringing up %s in %s", system, path)
            made = bring_up(Path(system), path, isolation, Abilities(disks=disks, clocks=clocks, names=names))
            now.take(path, BreakableLab(made, course.run_directory("chaostoolkit")))
        else:
            now.lab(lab)
    except (BasculeError, OSError) as error:
        raise InterruptExecution(f"bascule: {error}") from error


def after_experiment_control(context: dict[str, Any], **_: object) -> None:  # noqa: ARG001 - Chaos Toolkit's signature
    """Undo everything, and end a lab that was made for the experiment."""
    cleanup_control()


def cleanup_control() -> None:
    """The same once more: it is called even where the experiment broke off."""
    for each in course.present().end():
        _log.error("bascule could not undo everything: %s; its watchdog goes on trying", each)
