"""A unit that follows a lease: of a real service manager that is locked up, or of a stand-in that keeps its state."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.real.cluster import fake_systemctl
from tests.real.cluster.daemons import DEADLINE_S, Daemon, need, wait_until
from tests.real.cluster.rig_command import RunRig

from bascule.cluster.actuators import systemd
from bascule.kernel.quantities import Duration


class StandInRig:
    """Where no systemd runs: a program in place of `systemctl`. It shows what is asked, not what systemd does."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "unit.json"
        self.program = directory / "systemctl"
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} {fake_systemctl.__file__} {self.file} "$@"\n')
        self.program.chmod(0o700)

    def options(self, **changes: object) -> systemd.Options:
        whole = systemd.Options(unit="web.service", systemctl=str(self.program), timeout=Duration(10.0))
        return msgspec.structs.replace(whole, **changes)

    def actuator(self) -> systemd.SystemdUnit:
        return systemd.make(self.options())

    def set(self, **fields: object) -> None:
        with fake_systemctl.kept(self.file) as unit:
            unit.update(fields)

    def get(self, name: str) -> Any:
        with fake_systemctl.kept(self.file) as unit:
            return unit[name]

    def is_so(self) -> bool:
        return bool(self.get("ActiveState") == "active")


@contextmanager
def stand_in_rig(directory: Path) -> Iterator[StandInRig]:
    yield StandInRig(directory)


# The machine's own files are read-only in there, and what is written to /run, /tmp and /var/tmp is gone with it: a
# service manager that begins sets up, and empties, more than one may think. Only PLACE is shared with the test.
LOCKED_UP = """
set -e
mount --make-rprivate /
mount --bind "$PLACE" /mnt
mount -o remount,bind,ro /
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/tmp
mount -t tmpfs tmpfs /tmp
mount -o bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/systemd/system
export XDG_RUNTIME_DIR=/mnt/run HOME=/mnt/home
unset DBUS_SESSION_BUS_ADDRESS NOTIFY_SOCKET
"$SYSTEMD" --user --unit=basic.target &
wait
"""


class UserManagerRig(RunRig):
    """A real `systemd --user`, in namespaces and in a control group of its own. Needs root."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        found = shutil.which("systemd") or shutil.which("systemd", path="/usr/lib/systemd:/lib/systemd")
        if found is None:
            pytest.skip("needs systemd (package systemd)")
        need("systemctl", "systemd")
        if os.geteuid() != 0:
            pytest.skip("needs root, to lock up a `systemd --user` in namespaces of its own")
        hierarchy = next((line.split()[1] for line in _mounts() if line.split()[2] == "cgroup2"), None)
        if hierarchy is None:
            pytest.skip("needs a cgroup2 hierarchy, for a `systemd --user` of the test's own")
        self._group = Path(hierarchy, f"bascule-{directory.name}-{os.getpid()}")
        # A socket's path is short: the directory of a test is not.
        self.place = Path(tempfile.mkdtemp(prefix="bascule-sd-"))
        self.file = self.place / "lock"
        self.program = self.place / "systemctl"
        self.run_directory = self.place / "run"
        self.units = self.place / "home" / ".config" / "systemd" / "user"
        self.run_directory.mkdir(mode=0o700)
        self.units.mkdir(parents=True)
        self.unit("web.service", f"ExecStart={self.flock} -x /mnt/lock sleep 1000")
        unshare = need("unshare", "util-linux")
        locked_up = f'exec {unshare} -m -n -p -C -i -u -f --mount-proc --kill-child sh -c "$LOCKED_UP"'
        enter = f'mkdir -p "$GROUP" && echo $$ > "$GROUP/cgroup.procs" && {locked_up}'
        told = {"GROUP": str(self._group), "PLACE": str(self.place), "SYSTEMD": found, "LOCKED_UP": LOCKED_UP}
        self._daemon = Daemon(["sh", "-c", enter], directory, self._is_ready, told)
        self.freeze, self.thaw = self._daemon.freeze, self._daemon.thaw

    def unit(self, name: str, *lines: str, install: str = "") -> None:
        section = f"[Install]\n{install}\n" if install else ""
        (self.units / name).write_text("[Service]\n" + "\n".join(lines) + "\n" + section)

    def systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [str(self.program), "--user", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    def _is_ready(self) -> bool:
        """Whether it answers; who asks has to be in there with it, or it does not know who that is."""
        assert self._daemon._process is not None
        own = self._daemon._process.pid
        inside = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        if not inside or not (self.run_directory / "systemd" / "private").exists():
            return False
        enter = f"{need('nsenter', 'util-linux')} -t {inside[0]} -m -p -C -n"
        self.program.write_text(f'#!/bin/sh\nexec {enter} env XDG_RUNTIME_DIR=/mnt/run HOME=/mnt/home systemctl "$@"\n')
        self.program.chmod(0o700)
        return self.systemctl("list-units").returncode == 0

    def start(self) -> None:
        if not self._daemon.is_running:
            shutil.rmtree(self.run_directory / "systemd", ignore_errors=True)
        try:
            self._daemon.start()
        except AssertionError:
            self.remove()
            pytest.skip(f"a `systemd --user` does not run on this machine: {self._daemon.log[-300:]}")

    def stop(self) -> None:
        self._daemon.stop()
        wait_until(self._is_group_gone, f"{self._group} does not become empty")

    def _is_group_gone(self) -> bool:
        groups = sorted(self._group.rglob("*/"), reverse=True) if self._group.exists() else []
        for one in [*groups, self._group]:
            with contextlib.suppress(OSError):  # it is gone, or somebody in it is about to be
                one.rmdir()
        return not self._group.exists()

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.place)

    def options(self, **changes: object) -> systemd.Options:  # type: ignore[override]  # the same rig, of another kind
        whole = systemd.Options(unit="web.service", user=True, timeout=Duration(1.0), systemctl=str(self.program))
        return msgspec.structs.replace(whole, **changes)

    def actuator(self) -> systemd.SystemdUnit:
        return systemd.make(self.options())


def _mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text().splitlines()


@contextmanager
def user_manager_rig(directory: Path) -> Iterator[UserManagerRig]:
    rig = UserManagerRig(directory)
    try:
        rig.start()
        yield rig
    finally:
        if rig.place.exists():
            rig.remove()
