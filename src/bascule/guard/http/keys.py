"""What the calls of one guarded transport are told apart by."""

from __future__ import annotations

from typing import Any, Protocol


class Asking(Protocol):
    """A request as far as it says where it goes; an `httpx.Request` is one."""

    @property
    def url(self) -> Any:  # noqa: ANN401 - the URL of httpx, which this module does not import
        """Where it goes."""
        ...


def by_host(request: Asking) -> str:
    """The scheme, host and port that a request goes to, such as `https://api.example:443`.

    As the `key` of a policy it gives each server a state of its own: `CircuitBreaker(key=by_host)`,
    `Bulkhead(10, key=by_host)`, `RateLimit(100, key=by_host)`.
    """
    url = request.url
    port = url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
    return f"{url.scheme}://{url.host}:{port}"
