"""The kernel's watchdog resets the machine, at the latest when the validity ends, if the agent did not stop before.

The arithmetic. A watchdog of `timeout_s` fires `timeout_s` after it was last petted, counted on a clock of its own. Let
every clock run at a speed within 1 - e and 1 + e of true time, as in `decisions.lease`. Then it fires at most
`timeout_s / (1 - e)` of true time after the pet, which is `lead = timeout_s * (1 + e) / (1 - e)` on this machine's
clock. So it is petted only while `now + lead <= until`, and whatever becomes of the agent after that, the machine is
reset before `until`: before a rival may start. It is never petted for the future: a frozen agent pets nobody.

What follows for the times: a pet must be possible after each renewal, even if the one before was lost, so `lead` is at
most `valid - renew` (validity less the time between two renewals); with the whole seconds that watchdogs know, that
asks for a ttl of 1.7 s or more with a drift of 2%. When renewals stay out, the last pet is up to one pause between two
pets older than `until - lead`, and a watchdog that is too fast fires up to `4 * e * timeout_s` before its lead is over:
by these two the reset may come before `until`. They must be less than what is kept free for stopping, or an agent that
stops in time is reset all the same; so the pause is a quarter of that, at most.

What it does not catch: a virtual machine that is paused as a whole (its watchdog is paused with it); a kernel whose
`softdog` is stuck with the rest (a hardware watchdog is not); an agent that is frozen in the moment between its look at
the clock and its pet, thawed before the watchdog fires, and then does not stop.

Source: linux/watchdog.h and Documentation/watchdog/watchdog-api.rst; asm-generic/ioctl.h for the numbers.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import stat
import struct
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from bascule.kernel.clock import Clock
from bascule.kernel.errors import FenceError, InputError, MachineError

_INT, _INFO = struct.Struct("=i"), struct.Struct("=II32s")


def _number(direction: int, number: int, size_bytes: int) -> int:
    """`_IOC(direction, 'W', number, size)`, as all machines but those of `_OTHER_MACHINES` have it."""
    return direction << 30 | size_bytes << 16 | ord("W") << 8 | number


WDIOC_GETSUPPORT = _number(2, 0, _INFO.size)
WDIOC_SETTIMEOUT = _number(3, 6, _INT.size)
WDIOC_GETTIMEOUT = _number(2, 7, _INT.size)
WDIOF_SETTIMEOUT = 0x0080
WDIOF_MAGICCLOSE = 0x0100
WDIOF_ALARMONLY = 0x0400
_OTHER_MACHINES = ("mips", "ppc", "sparc", "alpha", "parisc")
_MISC_WATCHDOG = (10, 130)  # /dev/watchdog, which is the same as /dev/watchdog0
_HINT = "modprobe softdog, or the driver of the machine's own watchdog; the agent must be allowed to open it"


class Support(Struct, frozen=True, kw_only=True):
    """What a watchdog is.

    Attributes:
        identity: The name that its driver gives.
        options: Its WDIOF_ flags.
    """

    identity: str
    options: int


class Device(Protocol):
    """A watchdog's device file. Calls raise `OSError`."""

    def is_nowayout(self) -> bool | None:
        """Whether it cannot be stopped once it was opened; None: nobody says. Asked before it is opened."""
        ...

    def open(self) -> None:
        """Open it: from now on it runs."""
        ...

    def support(self) -> Support:
        """What it is."""
        ...

    def set_timeout(self, timeout_s: int) -> int:
        """Set when it fires; returns what it really is now, which may be something else."""
        ...

    def pet(self) -> None:
        """Begin the time anew."""
        ...

    def stop(self) -> None:
        """Say the magic word and close: it runs no longer."""
        ...


class KernelDevice:
    """The real one.

    Args:
        path: `/dev/watchdog`.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1

    def is_nowayout(self) -> bool | None:
        """As `/sys/class/watchdog` says; None where the kernel has no such directory."""
        device = os.stat(self._path)  # noqa: PTH116 - an OSError with the path, as from open
        if not stat.S_ISCHR(device.st_mode):
            raise OSError(errno.ENOTTY, "it is no watchdog", self._path)
        numbers = os.major(device.st_rdev), os.minor(device.st_rdev)
        place = "class/watchdog/watchdog0" if numbers == _MISC_WATCHDOG else f"dev/char/{numbers[0]}:{numbers[1]}"
        try:
            return Path("/sys", place, "nowayout").read_text(encoding="ascii").strip() != "0"
        except OSError:
            return None

    def open(self) -> None:
        """Open it, for this process alone: children do not get it, or it would stay open with them."""
        self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def support(self) -> Support:
        """WDIOC_GETSUPPORT."""
        options, _, identity = _INFO.unpack(fcntl.ioctl(self._file, WDIOC_GETSUPPORT, bytes(_INFO.size)))
        return Support(identity=identity.partition(b"\0")[0].decode("ascii", "replace"), options=options)

    def set_timeout(self, timeout_s: int) -> int:
        """WDIOC_SETTIMEOUT, then WDIOC_GETTIMEOUT."""
        fcntl.ioctl(self._file, WDIOC_SETTIMEOUT, _INT.pack(timeout_s))
        (now_s,) = _INT.unpack(fcntl.ioctl(self._file, WDIOC_GETTIMEOUT, bytes(_INT.size)))
        return int(now_s)

    def pet(self) -> None:
        """Write anything but the magic word."""
        os.write(self._file, b"\0")

    def stop(self) -> None:
        """`V` says that the close that follows is meant."""
        if self._file >= 0:
            file, self._file = self._file, -1
            try:
                os.write(file, b"V")
            finally:
                os.close(file)


def timeout_for(valid_s: float, renew_s: float, drift: float) -> int:
    """The longest timeout, in whole seconds, with which a watchdog can be petted after each renewal.

    Args:
        valid_s: How long a renewal holds, from before it was sent.
        renew_s: Time between two renewals.
        drift: By how much the speed of any clock may differ from true time.

    Raises:
        InputError: A watchdog knows no time as short as that.
    """
    timeout_s = int((valid_s - renew_s) * (1 - drift) / (1 + drift))
    if timeout_s < 1:
        least_ttl_s = 1.0 * (1 + drift) / (1 - drift) / ((1 - drift) / (1 + drift) - 1 / 3)
        what = "the ttl is too short for a watchdog, which knows whole seconds alone"
        raise InputError(
            what, where="watchdog", hint=f"agent.ttl of {least_ttl_s + 0.005:.2f}s or more, or no watchdog"
        )
    return timeout_s


class Watchdog:
    """A watchdog that runs from `start` to `stop`, and resets the machine if the agent does not pet it.

    It is petted every `pet_every_s`, whether or not there was a renewal: a pet that would come too late is none.

    Args:
        device: The device.
        path: Its path, for errors.
        timeout_s: When it fires after the last pet.
        stop_s: What is kept free before the validity ends, for stopping.
        drift: By how much the speed of any clock may differ from true time.
        clock: `CLOCK_BOOTTIME`.
    """

    def __init__(self, device: Device, path: str, *, timeout_s: int, stop_s: float, drift: float, clock: Clock) -> None:
        self._device = device
        self._path = path
        self._timeout_s = timeout_s
        self.lead_s = timeout_s * (1 + drift) / (1 - drift)
        self.pet_every_s = min(timeout_s / 4, stop_s / 4)
        self._clock = clock
        self.is_running = False

    def start(self) -> None:
        """It runs. What would be a surprise later is refused, and then it runs no longer.

        Raises:
            MachineError: There is none, somebody else has it, or it cannot be trusted.
        """
        if platform.machine().startswith(_OTHER_MACHINES):
            raise self._error(f"the numbers of its calls on {platform.machine()} are not known here", "no [watchdog]")
        try:
            if self._device.is_nowayout():
                what = "it cannot be stopped once it was opened (nowayout): each stop of the agent would be a reset"
                raise self._error(what, "load its driver with nowayout=0")
            self._device.open()
        except OSError as error:
            raise self._unopened(error) from error
        try:
            self._look()
        except OSError as error:
            self._let_go()
            raise self._error(f"it is no watchdog: {error.strerror or error}", _HINT) from error
        except MachineError:
            self._let_go()
            raise
        self.is_running = True

    def _look(self) -> None:
        support = self._device.support()
        named = f"{support.identity}: " if support.identity else ""
        if support.options & WDIOF_ALARMONLY:
            raise self._error(f"{named}it raises an alarm, and resets nothing", "use another one")
        if not support.options & WDIOF_MAGICCLOSE:
            what = f"{named}any end of the agent stops it, also `kill -9` (it knows no magic close)"
            raise self._error(what, "use another one, like softdog")
        if not support.options & WDIOF_SETTIMEOUT:
            raise self._error(f"{named}its timeout cannot be set", "use another one, like softdog")
        now_s = self._device.set_timeout(self._timeout_s)
        if not 0 < now_s <= self._timeout_s:
            what = f"{named}its timeout should be {self._timeout_s} s, and is {now_s} s"
            raise self._error(what, f"a longer agent.ttl, so that {now_s} s is short enough; or another watchdog")
        self._device.pet()

    def pet(self, until_s: float) -> bool:
        """Whether it was petted: only if it fires before `until_s` even when this was the last pet.

        Args:
            until_s: When the validity ends of whatever is held here, on `CLOCK_BOOTTIME`; `inf`: nothing is held.

        Raises:
            FenceError: It does not listen any more: whether it fires is not known.
        """
        if not self.is_running or self._clock.monotonic_s() + self.lead_s > until_s:
            return False
        try:
            self._device.pet()
        except OSError as error:
            what = f"the watchdog cannot be petted: {error.strerror or error}"
            raise FenceError(what, where=self._path, hint="the machine may be reset soon, or never") from error
        return True

    def stop(self) -> None:
        """It runs no longer. Only when nothing is held here, and nothing may still act.

        Raises:
            FenceError: It may still run, and reset the machine.
        """
        if not self.is_running:
            return
        self.is_running = False
        try:
            self._device.stop()
        except OSError as error:
            what = f"the watchdog may still run: {error.strerror or error}"
            raise FenceError(what, where=self._path, hint="the machine may be reset") from error

    def _let_go(self) -> None:
        try:
            self._device.stop()
        except OSError as error:
            raise self._error(f"it was opened, and cannot be stopped: {error.strerror or error}", _HINT) from error

    def _unopened(self, error: OSError) -> MachineError:
        if error.errno == errno.EBUSY:
            hint = "systemd (RuntimeWatchdogSec=), sbd or watchdogd may have it: only one can"
            return self._error("somebody else has the watchdog", hint)
        return self._error(f"the watchdog cannot be opened: {error.strerror or error}", _HINT)

    def _error(self, what: str, hint: str) -> MachineError:
        return MachineError(what, where=self._path, hint=hint)
