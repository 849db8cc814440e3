"""Whether an address stands for one server alone. Pure."""

from __future__ import annotations

import re

_ONE = re.compile(
    r"[0-9.]++(:[0-9]++)?|\[[0-9a-fA-F:]++\](:[0-9]++)?|[A-Za-z-]*+[0-9]++(\.[A-Za-z0-9.-]++)?(:[0-9]++)?"
)


def is_one_server(address: str) -> bool:
    """Whether this is an address in numbers or a name with its own; a name without a number may stand for several."""
    return _ONE.fullmatch(address) is not None
