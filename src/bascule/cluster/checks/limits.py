"""How long any check may take."""

from __future__ import annotations

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration

MOST_S = 60.0


def check_timeout(timeout: Duration) -> None:
    """See that a check comes to an end in a time that is of use.

    Raises:
        InputError: It does not.
    """
    if not 0 < timeout.seconds <= MOST_S:
        raise InputError(
            f"a timeout of {timeout} is out of range", where="timeout", hint=f"above 0s, at most {MOST_S:g}s"
        )
