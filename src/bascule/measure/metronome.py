"""A beat from the kernel's timer, far finer than the event loops' own timers, which round to milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Callable

from bascule.kernel.errors import MachineError

_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
_SHORTEST_S = 0.0005


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


def _timespec(seconds: float) -> _Timespec:
    whole = int(seconds)
    return _Timespec(whole, int((seconds - whole) * 1e9))


class Metronome:
    """Calls `beat` at `start_s` and once per period after it, counted from the start so that it never drifts.

    Beats that fall while the process is busy come as one. A period below half a millisecond is stretched to that; the
    listener asks the clock what is due and so misses nothing.

    Raises:
        MachineError: The kernel gives no timer.
    """

    def __init__(self, start_s: float, period_s: float, beat: Callable[[], None]) -> None:
        self._beat = beat
        libc = ctypes.CDLL(None, use_errno=True)
        self._file = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise MachineError(f"the kernel gives no timer: {os.strerror(ctypes.get_errno())}")
        setting = _Itimerspec(_timespec(max(period_s, _SHORTEST_S)), _timespec(start_s))
        if libc.timerfd_settime(self._file, _ABSOLUTE, ctypes.byref(setting), None) != 0:
            message = os.strerror(ctypes.get_errno())
            os.close(self._file)
            raise MachineError(f"the kernel's timer cannot be set: {message}")
        asyncio.get_running_loop().add_reader(self._file, self._due)

    def _due(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._file, 8)
        self._beat()

    def stop(self) -> None:
        """No beat comes any more."""
        if self._file >= 0:
            asyncio.get_running_loop().remove_reader(self._file)
            os.close(self._file)
            self._file = -1
