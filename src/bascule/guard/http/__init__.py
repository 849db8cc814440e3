"""How do calls over HTTP survive, the ones made and the ones served?

`GuardedTransport` and `AsyncGuardedTransport` guard what an httpx client sends, and `DisturbedTransport` and
`AsyncDisturbedTransport` let it fail on purpose; they alone need httpx (the extra `bascule[http]`), and nothing is
imported before they are asked for. `GuardMiddleware` guards any ASGI application and needs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.guard.http.keys import by_host
from bascule.kernel.later import later

if TYPE_CHECKING:
    from bascule.guard.http.asgi import GuardMiddleware
    from bascule.guard.http.disturbed import (
        AsyncDisturbedTransport,
        DisturbedTransport,
        InjectBody,
        InjectSlowBody,
        InjectStatus,
    )
    from bascule.guard.http.transport import (
        AsyncGuardedTransport,
        FailedStatusError,
        GuardedTransport,
        is_idempotent,
    )

__getattr__ = later(
    __name__,
    {
        "AsyncDisturbedTransport": "disturbed",
        "AsyncGuardedTransport": "transport",
        "DisturbedTransport": "disturbed",
        "FailedStatusError": "transport",
        "GuardMiddleware": "asgi",
        "GuardedTransport": "transport",
        "InjectBody": "disturbed",
        "InjectSlowBody": "disturbed",
        "InjectStatus": "disturbed",
        "is_idempotent": "transport",
    },
    extra="http",
)

__all__ = [
    "AsyncDisturbedTransport", "AsyncGuardedTransport", "DisturbedTransport", "FailedStatusError", "GuardMiddleware",
    "GuardedTransport", "InjectBody", "InjectSlowBody", "InjectStatus", "by_host", "is_idempotent",
]  # fmt: skip
