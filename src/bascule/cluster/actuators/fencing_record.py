"""The fencing token in a TXT record beside a name: how it is written, and what may overwrite it."""

from __future__ import annotations

import re

from bascule.kernel.errors import ActuatorError, ConflictError

PREFIX = "_bascule"
_TOKEN = re.compile(r"bascule-token=([0-9]{1,20})")


def text_of(token: int) -> str:
    """The record's text: `bascule-token=12`."""
    return f"bascule-token={token}"


def token_of(texts: tuple[str, ...], where: str) -> int | None:
    """The token that a TXT record set carries; None if there is no record.

    Args:
        texts: The text of each record of the set.
        where: Server and name, for the error.

    Raises:
        ActuatorError: Somebody else's record lies there.
    """
    if not texts:
        return None
    match = _TOKEN.fullmatch(texts[0])
    if match is None or len(texts) > 1:
        what = f"the TXT record holds {', '.join(texts)[:200]!r}, and not a fencing token"
        raise ActuatorError(what, where=where, hint="remove it, if nothing else needs it")
    return int(match[1])


def refuse_if_newer(there: int | None, token: int, where: str) -> None:
    """Leave a record alone that a later term wrote.

    Raises:
        ConflictError: It carries a larger token.
    """
    if there is not None and there > token:
        what = f"the record is of a later term: its token is {there}, and ours {token}"
        hint = "if the store of the leases was made anew, and counts from the beginning, remove the TXT record"
        raise ConflictError(what, where=where, hint=hint)
