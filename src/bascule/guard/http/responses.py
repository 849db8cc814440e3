"""The responses to the attempts of one call: all but one are thrown away, and a connection hangs on each."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

ResponseT = TypeVar("ResponseT")


class Responses(Generic[ResponseT]):
    """Says which open responses of one call must be closed now: in the end all but the one that the caller gets.

    Attempts may run in threads that outlive the call (a timeout): a response that comes when the call is over is to be
    closed by the attempt itself.

    Args:
        race: Whether attempts run beside each other (a hedge), so that any of their responses may become the result.
    """

    def __init__(self, *, race: bool) -> None:
        self._lock = threading.Lock()
        self._race = race
        self._open: list[ResponseT] = []
        self._is_over = False

    def begin(self) -> list[ResponseT] | None:
        """An attempt begins: the responses to close first, or None when the call is over and nothing may be sent.

        They go before anything is sent: retries that kept the connections of earlier attempts could wait for each
        other's, with none left in the pool.
        """
        with self._lock:
            if self._is_over:
                return None
            if self._race:
                return []
            passed, self._open = self._open, []
            return passed

    def arrived(self, response: ResponseT) -> bool:
        """Take note of an open response; False when it came too late and nobody will close it but the attempt."""
        with self._lock:
            if not self._is_over:
                self._open.append(response)
            return not self._is_over

    def over(self, kept: ResponseT | None) -> list[ResponseT]:
        """The call is over: every response to close, `kept` excepted."""
        with self._lock:
            self._is_over = True
            return [response for response in self._open if response is not kept]
