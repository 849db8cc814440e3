"""Three hosts on one bridge, in namespaces of their own; they end with this program, and it ends with its parent."""

from __future__ import annotations

import json
import os
import signal
import sys
from ipaddress import ip_interface
from pathlib import Path

from bascule.cluster.actuators.addresses import Addresses
from bascule.lab import syscalls
from bascule.lab.netlink import End, Netlink, bridge, plug, switch, wire

HOSTS = ("client", "a", "b", "c")
BRIDGE = 10
CHANGES = {
    "up": lambda port: switch(port, up=True),
    "down": lambda port: switch(port, up=False),
    "in": lambda port: plug(port, BRIDGE),
    "out": lambda port: plug(port, 0),
}


def enter() -> None:
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNET)
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"0 {uid} 1")
    (own / "gid_map").write_text(f"0 {gid} 1")


def host() -> int:
    """The process that keeps a host's namespace."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        syscalls.die_with_parent(signal.SIGKILL)
        syscalls.unshare(syscalls.CLONE_NEWNET)
        os.write(writing, b"!")
        while True:
            signal.pause()
    os.read(reading, 1)
    return child


def furnish(number: int, pid: int, home: int) -> None:
    with Path(f"/proc/{pid}/ns/net").open("rb") as namespace:
        near = End(20 + number, f"p{number}", f"02:00:00:00:10:{number:02x}")
        far = End(2, "eth0", f"02:00:00:00:00:{number:02x}", namespace.fileno())
        line = Netlink()
        line.execute([wire(near, far, master=BRIDGE)])
        line.close()
        syscalls.setns(namespace.fileno())
    line, addresses = Netlink(), Addresses()
    # Its own IPv6 address is usable at once: what the kernel asks in it would wait for a second otherwise.
    Path("/proc/sys/net/ipv6/conf/eth0/accept_dad").write_text("0")
    line.execute([switch(1, up=True), switch(2, up=True)])
    addresses.add(2, ip_interface(f"10.88.1.{number}/24"))
    addresses.add(2, ip_interface(f"fd00:88::{number}/64"))
    line.close()
    addresses.close()
    syscalls.setns(home)


def main() -> None:
    syscalls.die_with_parent(signal.SIGKILL)
    enter()
    pids = {name: host() for name in HOSTS}
    with Path("/proc/self/ns/net").open("rb") as home:
        line = Netlink()
        line.execute([switch(1, up=True), bridge(BRIDGE, "br0", "02:00:00:00:10:00")])
        for number, pid in enumerate(pids.values(), 1):
            furnish(number, pid, home.fileno())
    sys.stdout.write(json.dumps(pids) + "\n")
    sys.stdout.flush()
    for order in sys.stdin:
        name, state = order.split()
        port = 20 + 1 + HOSTS.index(name)
        line.execute([CHANGES[state](port)])
        sys.stdout.write("done\n")
        sys.stdout.flush()


main()
