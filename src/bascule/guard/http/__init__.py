"""How do calls over HTTP survive, the ones made and the ones served?

`GuardedTransport` and `AsyncGuardedTransport` guard what an httpx client sends; they alone need httpx (the extra
`bascule[http]`), and nothing is imported before they are asked for. `GuardMiddleware` guards any ASGI application and
needs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from bascule.guard.http.keys import by_host

if TYPE_CHECKING:
    from bascule.guard.http.asgi import GuardMiddleware
    from bascule.guard.http.transport import (
        AsyncGuardedTransport,
        FailedStatusError,
        GuardedTransport,
        is_idempotent,
    )

_WHERE = {
    "AsyncGuardedTransport": "transport",
    "FailedStatusError": "transport",
    "GuardMiddleware": "asgi",
    "GuardedTransport": "transport",
    "is_idempotent": "transport",
}


def __getattr__(name: str) -> object:
    """What is asked for, from the module that has it: only then is that module imported."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


__all__ = [
    "AsyncGuardedTransport", "FailedStatusError", "GuardMiddleware", "GuardedTransport", "by_host", "is_idempotent",
]  # fmt: skip
