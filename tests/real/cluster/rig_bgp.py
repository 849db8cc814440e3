"""A real BIRD, or a real ExaBGP, that the actuator commands, and a real BIRD as its neighbour; BGP on loopback."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.real.cluster.daemons import DEADLINE_S, Daemon, free_port, need, wait_until

from bascule.cluster.actuators import bgp
from bascule.cluster.actuators.port import Actuator
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

    def actuator(self) -> Actuator:
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


EXABGP = """
process bascule {{
  run {python} -m bascule.cluster.actuators.exabgp_relay {socket};
  encoder text;
}}
neighbor 127.0.0.2 {{
  router-id 10.0.0.1;
  local-address 127.0.0.1;
  local-as 65001;
  peer-as 65002;
  connect {port};
  family {{ ipv4 unicast; }}
  api {{ processes [ bascule ]; }}
}}
"""
NEIGHBOUR = """
log stderr all;
router id 10.0.0.2;
protocol device {{}}
protocol bgp peer1 {{
  strict bind yes;
  local 127.0.0.2 port {port} as 65002;
  neighbor 127.0.0.1 as 65001;
  passive yes;
  multihop;
  ipv4 {{ import all; export none; }};
}}
"""


class ExaBgp:
    """An ExaBGP with our relay, and the BIRD that hears of its routes."""

    def __init__(self, directory: Path) -> None:
        if find_spec("exabgp") is None:
            pytest.skip("needs exabgp (package exabgp)")
        self.socket = directory / "relay.sock"
        self._control = directory / "bird.ctl"
        port = free_port("127.0.0.2")
        words = {"python": sys.executable, "socket": self.socket, "port": port}
        (directory / "exabgp.conf").write_text(EXABGP.format(**words))
        (directory / "bird.conf").write_text(NEIGHBOUR.format(**words))
        (directory / "mine").mkdir()
        bird = [need("bird", "bird2"), "-f", "-c", str(directory / "bird.conf"), "-s", str(self._control)]
        self.theirs = Daemon([*bird, "-P", str(directory / "bird.pid")], directory, self._control.exists)
        settings = {
            "exabgp_daemon_drop": "false",
            "exabgp_api_cli": "false",
            "exabgp_log_destination": "stderr",
            "exabgp_tcp_bind": "",
        }
        # The relay is to be found in the environment of the tests, wherever ExaBGP is run from.
        argv = [sys.executable, "-m", "exabgp", "server", str(directory / "exabgp.conf")]
        self.mine = Daemon(argv, directory / "mine", self._is_ready, settings)
        self.stop, self.freeze, self.thaw = self.mine.stop, self.mine.freeze, self.mine.thaw

    def start(self) -> None:
        self.mine.start()

    def relayed(self, line: str) -> str | None:
        """What is answered at the relay's socket; None if nobody listens there, or no longer."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(DEADLINE_S)
            try:
                asking.connect(str(self.socket))
                asking.sendall(line.encode() + b"\n")
                with asking.makefile() as answer:
                    return answer.read()
            except (FileNotFoundError, ConnectionError):
                return None

    def told(self, line: str) -> str:
        """What the neighbour's `birdc` says."""
        argv = [need("birdc", "bird2"), "-r", "-s", str(self._control), *line.split()]
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True).stdout

    def _is_ready(self) -> bool:
        return "Established" in self.told("show protocols") and self.relayed("show adj-rib out") == "done\n"

    def actuator(self) -> Actuator:
        return bgp.make(bgp.Options(speaker="exabgp", routes=(ROUTE,), socket=str(self.socket), timeout=Duration(1.0)))

    def is_so(self) -> bool:
        """What the neighbour has, once it has heard what was sent to it."""
        sent = ROUTE in (self.relayed("show adj-rib out") or "")
        with contextlib.suppress(AssertionError):
            wait_until(lambda: (ROUTE in self.told("show route")) == sent, "the neighbour hears of it", 5.0)
        return ROUTE in self.told("show route")


@contextmanager
def exabgp_rig(directory: Path) -> Iterator[ExaBgp]:
    """Both of them, until the end."""
    rig = ExaBgp(directory)
    try:
        rig.theirs.start()
        rig.start()
        yield rig
    finally:
        rig.mine.stop()
        rig.theirs.stop()
        # It goes by itself when its ExaBGP is gone: the kernel closes what it reads from.
        wait_until(lambda: rig.relayed("bye") is None, "the relay outlives its ExaBGP")
