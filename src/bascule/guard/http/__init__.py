"""How do calls over HTTP survive, the ones made and the ones served?

`GuardedTransport` and `AsyncGuardedTransport` guard what an httpx client sends; they alone need httpx (the extra
`bascule[http]`), and nothing is imported before they are asked for. `GuardMiddleware` guards any ASGI application and
needs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.guard.http.keys import by_host
from bascule.kernel.later import later

if TYPE_CHECKING:
    from bascule.guard.http.asgi import GuardMiddleware
    from bascule.guard.http.transport import (
        AsyncGuardedTransport,
        FailedStatusError,
        GuardedTransport,
        is_idempotent,
    )

__getattr__ = later(
    __name__,
    {
        "AsyncGuardedTransport": "transport",
        "FailedStatusError": "transport",
        "GuardMiddleware": "asgi",
        "GuardedTransport": "transport",
        "is_idempotent": "transport",
    },
    extra="http",
)

__all__ = [
    "AsyncGuardedTransport", "FailedStatusError", "GuardMiddleware", "GuardedTransport", "by_host", "is_idempotent",
]  # fmt: skip
