"""Lets SIGTERM end an experiment while one of our actions runs.

Chaos Toolkit answers SIGTERM with an exception; when it comes out of an action, it is taken for that action's failure,
and the experiment goes on. `SystemExit` is let through, and the rollbacks are played.

Source: chaoslib 1.44, `provider/python.py` (every `Exception` becomes `ActivityFailed`), `exit.py`.
"""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

GRACEFUL = 20
"""The code that Chaos Toolkit itself exits with on SIGUSR1: end now, with the rollbacks."""
P = ParamSpec("P")
R = TypeVar("R")


def interruptible(action: Callable[P, R]) -> Callable[P, R]:
    """The action, ended for good by the exception with which Chaos Toolkit interrupts an experiment."""

    @functools.wraps(action)
    def acting(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return action(*arguments, **named)
        except Exception as error:
            known = sys.modules.get("chaoslib.exceptions")
            if known is not None and isinstance(error, known.InterruptExecution):
                raise SystemExit(GRACEFUL) from error
            raise

    return acting
