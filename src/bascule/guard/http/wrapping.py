"""Transports around another one, which is opened and closed with them."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import httpx


class Wrapping(httpx.BaseTransport):
    """A transport around another one; by default around a new `httpx.HTTPTransport`."""

    def __init__(self, transport: httpx.BaseTransport | None) -> None:
        self._transport = transport if transport is not None else httpx.HTTPTransport()

    def __enter__(self) -> Self:
        """Open the transport that sends."""
        self._transport.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the transport that sends."""
        self._transport.__exit__(exc_type, exc_value, traceback)

    def close(self) -> None:
        """Close the transport that sends."""
        self._transport.close()


class AsyncWrapping(httpx.AsyncBaseTransport):
    """A transport around another one; by default around a new `httpx.AsyncHTTPTransport`."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None) -> None:
        self._transport = transport if transport is not None else httpx.AsyncHTTPTransport()

    async def __aenter__(self) -> Self:
        """Open the transport that sends."""
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the transport that sends."""
        await self._transport.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        """Close the transport that sends."""
        await self._transport.aclose()
