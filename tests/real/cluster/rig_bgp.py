"""Two real BIRDs that speak BGP on loopback: one that the actuator commands, and its neighbour."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real.cluster.daemons import Daemon, free_port, need, wait_until

from bascule.cluster.actuators import bgp
from bascule.kernel.quantities import Duration

ROUTE = "192.0.2.1/32"
TEXT = """
log stderr all;
router id {identity};
protocol device {{}}
{static}
protocol bgp peer1 {{
  strict bind yes;
  local {own} port {own_port} as {own_as};
  neighbor {other} port {other_port} as {other_as};
  multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 {{ import {imports}; export {exports}; next hop self; }};
}}
"""


class Birds:
    """A BIRD with a static protocol `anycast`, and the neighbour that hears of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ports = {"127.0.0.1": free_port("127.0.0.1"), "127.0.0.2": free_port("127.0.0.2")}
        static = f"protocol static anycast {{ disabled; ipv4; route {ROUTE} blackhole; }}"
        self.mine = self._bird("mine", "127.0.0.1", "127.0.0.2", ports, static)
        self.theirs = self._bird("theirs", "127.0.0.2", "127.0.0.1", ports, "")

    def _bird(self, name: str, own: str, other: str, ports: dict[str, int], static: str) -> Daemon:
        place = self.directory / name
        place.mkdir()
        numbers = {"127.0.0.1": 65001, "127.0.0.2": 65002}
        text = TEXT.format(
            identity=own.replace("127", "10"),
            static=static,
            own=own,
            own_port=ports[own],
            own_as=numbers[own],
            other=other,
            other_port=ports[other],
            other_as=numbers[other],
            imports="none" if static else "all",
            exports='where proto = "anycast"' if static else "none",
        )
        (place / "bird.conf").write_text(text)
        argv = [need("bird", "bird2"), "-f", "-c", str(place / "bird.conf"), "-s", str(place / "bird.ctl")]
        return Daemon([*argv, "-P", str(place / "bird.pid")], place, lambda: self.told(name, "show status") != "")

    def told(self, name: str, line: str) -> str:
        """What `birdc` says; empty when it is not answered."""
        argv = [need("birdc", "bird2"), "-r", "-s", str(self.directory / name / "bird.ctl"), *line.split()]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout if done.returncode == 0 else ""

    def actuator(self) -> bgp.Bgp:
        place = str(self.directory / "mine" / "bird.ctl")
        return bgp.make(bgp.Options(protocol="anycast", socket=place, timeout=Duration(1.0)))

    def is_so(self) -> bool:
        """What the neighbour has, once it has heard what was sent to it: an update is on its way for a moment."""
        sent = " up " in self.told("mine", "show protocols anycast")
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self._has_it() == sent, "the neighbour hears of it", 5.0)
        return self._has_it()

    def _has_it(self) -> bool:
        return ROUTE in self.told("theirs", "show route")

    def stop(self) -> None:
        self.mine.stop()

    def start(self) -> None:
        self.mine.start()
        wait_until(lambda: "Established" in self.told("mine", "show protocols"), lambda: self.mine.log)

    def freeze(self) -> None:
        self.mine.freeze()

    def thaw(self) -> None:
        self.mine.thaw()


@contextmanager
def birds_rig(directory: Path) -> Iterator[Birds]:
    """Both of them, until the end."""
    rig = Birds(directory)
    try:
        rig.theirs.start()
        rig.start()
        yield rig
    finally:
        rig.mine.stop()
        rig.theirs.stop()
