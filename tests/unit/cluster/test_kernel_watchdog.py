"""The watchdog fires before the validity ends, whatever becomes of the agent; and not while the agent does its work.

There is no watchdog to be had on the machines that run these tests: a model of it stands in for the device, with a
clock of its own that goes too fast or too slow. The numbers of the calls are held against the kernel's own header; what
the real calls do is tried on files that are no watchdogs.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.cluster.decisions.lease import Timing
from bascule.cluster.fencing import watchdog
from bascule.cluster.fencing.watchdog import KernelDevice, Support, Watchdog, timeout_for
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import FenceError, InputError, MachineError

GOOD = watchdog.WDIOF_SETTIMEOUT | watchdog.WDIOF_MAGICCLOSE
E = 0.02


class Model:
    """A watchdog with a clock of its own.

    Args:
        clock: The agent's.
        ratio: How many seconds of the agent's clock pass within one of the watchdog's.
    """

    def __init__(self, clock: FakeClock, ratio: float = 1.0, options: int = GOOD) -> None:
        self.clock = clock
        self.ratio = ratio
        self.options = options
        self.nowayout: bool | None = False
        self.timeout_s = 60
        self.takes: int | None = None
        self.fires_at_s = math.inf
        self.is_open = False
        self.broken: dict[str, OSError] = {}
        self.pets = 0

    def _do(self, what: str) -> None:
        if what in self.broken:
            raise self.broken[what]

    def is_nowayout(self) -> bool | None:
        self._do("is_nowayout")
        return self.nowayout

    def open(self) -> None:
        self._do("open")
        self.is_open = True
        self._begin()

    def _begin(self) -> None:
        assert self.clock.monotonic_s() < self.fires_at_s, "the machine was reset"
        self.fires_at_s = self.clock.monotonic_s() + self.timeout_s * self.ratio

    def support(self) -> Support:
        self._do("support")
        return Support(identity="Model", options=self.options)

    def set_timeout(self, timeout_s: int) -> int:
        self._do("set_timeout")
        self.timeout_s = timeout_s if self.takes is None else self.takes
        self._begin()
        return self.timeout_s

    def pet(self) -> None:
        self._do("pet")
        self.pets += 1
        self._begin()

    def stop(self) -> None:
        self._do("stop")
        self.is_open = False
        self.fires_at_s = math.inf


def dog(model: Model, timeout_s: int = 1, stop_s: float = 0.3, drift: float = E) -> Watchdog:
    return Watchdog(model, "/dev/watchdog", timeout_s=timeout_s, stop_s=stop_s, drift=drift, clock=model.clock)


speeds = st.floats(1 - E, 1 + E)


@given(own=speeds, its=speeds, timeout_s=st.integers(1, 60), left_s=st.floats(0, 100))
def test_after_any_pet_it_fires_before_the_validity_ends(own: float, its: float, timeout_s: int, left_s: float) -> None:
    model = Model(FakeClock(1000.0), ratio=own / its)
    one = dog(model, timeout_s)
    one.start()
    before_s = model.fires_at_s
    until_s = 1000.0 + left_s
    if one.pet(until_s):
        assert model.fires_at_s <= until_s + 1e-9
    else:
        assert model.fires_at_s == before_s


def test_a_lead_without_drift_would_be_caught() -> None:
    """The mutant of the test above: a watchdog that is slow, on a machine whose clock is fast."""
    model = Model(FakeClock(1000.0), ratio=(1 + E) / (1 - E))
    one = dog(model)
    one.start()
    one.lead_s = 1.0
    assert one.pet(1001.0)
    assert model.fires_at_s > 1001.0


TIMINGS = [Timing(ttl_s=ttl_s, stop_s=ttl_s / 10, drift=E) for ttl_s in (1.7, 3.0, 5.0, 10.0, 30.0)]


class Life:
    """An agent that renews, pets and stops, step by step, on a fake clock."""

    def __init__(self, timing: Timing, ratio: float) -> None:
        self.timing = timing
        self.clock = FakeClock(1000.0)
        self.model = Model(self.clock, ratio)
        self.dog = dog(self.model, timeout_for(timing.valid_s, timing.renew_s, timing.drift), timing.stop_s)
        self.dog.start()
        self.until_s = timing.valid_until_s(1000.0)
        self.renewed_s = self.petted_s = 1000.0
        self.lost = 0

    def step(self, step_s: float, *, loses: bool) -> None:
        self.clock.advance(step_s)
        now_s = self.clock.monotonic_s()
        if now_s - self.renewed_s >= self.timing.renew_s:
            self.renewed_s = now_s
            if not loses:
                self.until_s = self.timing.valid_until_s(now_s)
        if now_s - self.petted_s >= self.dog.pet_every_s - step_s:
            self.petted_s = now_s
            self.dog.pet(self.until_s)
        assert now_s < self.model.fires_at_s, "the machine was reset"


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda timing: f"{timing.ttl_s:g}s")
@pytest.mark.parametrize("ratio", [(1 - E) / (1 + E), 1.0, (1 + E) / (1 - E)])
def test_an_agent_that_loses_every_other_renewal_is_not_reset(timing: Timing, ratio: float) -> None:
    life = Life(timing, ratio)
    step_s = life.dog.pet_every_s / 10
    for _ in range(math.ceil(20 * timing.ttl_s / step_s)):
        before_s = life.renewed_s
        life.step(step_s, loses=life.lost % 2 == 0)
        life.lost += life.renewed_s != before_s


@pytest.mark.parametrize("timing", TIMINGS, ids=lambda timing: f"{timing.ttl_s:g}s")
@pytest.mark.parametrize("ratio", [(1 - E) / (1 + E), 1.0, (1 + E) / (1 - E)])
def test_an_agent_that_stops_in_time_is_not_reset_and_one_that_freezes_is(timing: Timing, ratio: float) -> None:
    life = Life(timing, ratio)
    step_s = life.dog.pet_every_s / 10
    # The watchdog's own clock may go too fast by twice the drift: that much is lost of the time for stopping.
    early_s = life.dog.pet_every_s + life.dog.lead_s - life.dog.lead_s * ((1 - E) / (1 + E)) ** 2
    stopped_s = life.until_s - early_s
    while life.clock.monotonic_s() + step_s < stopped_s:
        life.step(step_s, loses=True)
    assert life.model.fires_at_s <= life.until_s + 1e-9, "had it frozen at any moment so far, it would be reset in time"
    assert life.dog.pet(math.inf), "nothing is held any more"
    assert life.model.fires_at_s > life.until_s
    life.dog.stop()
    assert life.model.fires_at_s == math.inf


def test_one_that_was_thawed_too_late_pets_nobody() -> None:
    model = Model(FakeClock(1000.0))
    one = dog(model, timeout_s=10)
    one.start()
    pets = model.pets
    model.clock.advance(9.0)
    assert not one.pet(1010.0)
    assert model.pets == pets


def test_one_that_does_not_run_is_not_petted_and_not_stopped() -> None:
    model = Model(FakeClock(1000.0))
    model.broken = {"pet": OSError("x"), "stop": OSError("x")}
    one = dog(model)
    assert not one.pet(math.inf)
    one.stop()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (watchdog.WDIOF_SETTIMEOUT, "kill -9"),
        (watchdog.WDIOF_MAGICCLOSE, "timeout cannot be set"),
        (GOOD | watchdog.WDIOF_ALARMONLY, "resets nothing"),
        (0, "kill -9"),
    ],
)
def test_one_that_cannot_be_trusted_is_refused_and_runs_no_longer(options: int, says: str) -> None:
    model = Model(FakeClock(1000.0), options=options)
    with pytest.raises(MachineError, match=says) as refused:
        dog(model).start()
    assert refused.value.hint
    assert not model.is_open


def test_one_that_could_never_be_stopped_is_not_even_opened() -> None:
    model = Model(FakeClock(1000.0))
    model.nowayout = True
    with pytest.raises(MachineError, match="nowayout"):
        dog(model).start()
    assert model.fires_at_s == math.inf


@pytest.mark.parametrize("takes", [0, -1, 2, 60])
def test_one_that_takes_another_timeout_is_refused(takes: int) -> None:
    model = Model(FakeClock(1000.0))
    model.takes = takes
    with pytest.raises(MachineError, match=f"should be 1 s, and is {takes} s"):
        dog(model).start()
    assert not model.is_open


def test_a_shorter_timeout_than_asked_for_is_safe() -> None:
    model = Model(FakeClock(1000.0))
    model.takes = 3
    dog(model, timeout_s=5).start()
    assert model.is_open


@pytest.mark.parametrize(
    ("call", "number", "says"),
    [
        ("is_nowayout", errno.ENOENT, "cannot be opened"),
        ("open", errno.EBUSY, "somebody else has the watchdog"),
        ("open", errno.EACCES, "cannot be opened: Permission denied"),
        ("support", errno.ENOTTY, "it is no watchdog"),
        ("set_timeout", errno.EINVAL, "it is no watchdog"),
    ],
)
def test_what_goes_wrong_at_the_start_is_told(call: str, number: int, says: str) -> None:
    model = Model(FakeClock(1000.0))
    model.broken = {call: OSError(number, os.strerror(number))}
    with pytest.raises(MachineError, match=says) as refused:
        dog(model).start()
    assert refused.value.where == "/dev/watchdog"
    assert refused.value.hint
    assert not model.is_open


def test_one_that_was_opened_and_cannot_be_stopped_is_told() -> None:
    model = Model(FakeClock(1000.0), options=0)
    model.broken = {"stop": OSError(errno.EIO, "x")}
    with pytest.raises(MachineError, match="it was opened, and cannot be stopped"):
        dog(model).start()


@pytest.mark.parametrize("call", ["pet", "stop"])
def test_one_that_listens_no_more_is_told(call: str) -> None:
    model = Model(FakeClock(1000.0))
    one = dog(model)
    one.start()
    model.broken = {call: OSError(errno.EIO, "x")}
    with pytest.raises(FenceError, match="reset"):
        one.pet(math.inf) if call == "pet" else one.stop()


def test_a_ttl_that_is_too_short_for_whole_seconds_is_refused_with_the_least_that_is_not() -> None:
    short = Timing(ttl_s=1.5, drift=E)
    with pytest.raises(InputError, match="too short") as refused:
        timeout_for(short.valid_s, short.renew_s, E)
    least = Timing(ttl_s=float(refused.value.hint.split("of ")[1].split("s")[0]), drift=E)
    assert timeout_for(least.valid_s, least.renew_s, E) == 1


def test_the_numbers_are_the_kernels(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None or not Path("/usr/include/linux/watchdog.h").exists():
        pytest.skip("needs cc and linux/watchdog.h (packages gcc, linux-libc-dev)")
    names = [name for name in vars(watchdog) if name.startswith(("WDIOC_", "WDIOF_"))]
    shown = "".join(f'printf("%s %lu\\n", "{name}", (unsigned long){name});' for name in names)
    source = tmp_path / "numbers.c"
    source.write_text(f"#include <stdio.h>\n#include <linux/watchdog.h>\nint main(void) {{ {shown} return 0; }}\n")
    subprocess.run([compiler, "-o", tmp_path / "numbers", source], check=True, timeout=60)
    done = subprocess.run([tmp_path / "numbers"], check=True, timeout=60, capture_output=True, text=True)
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        name: str(getattr(watchdog, name)) for name in names
    }


def real(path: Path) -> Watchdog:
    return Watchdog(KernelDevice(str(path)), str(path), timeout_s=1, stop_s=0.3, drift=E, clock=FakeClock())


def refused(path: Path) -> str:
    files = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(MachineError) as raised:
        real(path).start()
    assert {one for one in Path("/proc/self/fd").iterdir() if one not in files and one.exists()} == set()
    return raised.value.what


def test_what_is_no_watchdog_is_refused_by_the_real_calls(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    assert "No such file" in refused(tmp_path / "nothing")
    assert "it is no watchdog" in refused(tmp_path / "pipe")
    assert "it is no watchdog" in refused(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b""
    assert "it is no watchdog: Inappropriate ioctl" in refused(Path("/dev/null"))
    controlling, terminal = os.openpty()
    try:
        assert "it is no watchdog: Inappropriate ioctl" in refused(Path(os.ttyname(terminal)))
    finally:
        os.close(controlling)
        os.close(terminal)
