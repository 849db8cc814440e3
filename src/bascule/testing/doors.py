"""Ways into a lab from outside of it: a port of this machine whose connections start at the lab's client."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bascule.kernel.errors import LabError
from bascule.lab.client import LabClient
from bascule.lab.plan import CLIENT_HOST

READY_LIMIT_S = 20.0


class Door(NamedTuple):
    """One way in: the program that serves it, the line by which that knows that we live, and where it is."""

    name: str
    line: socket.socket
    place: tuple[str, int]


class Doors:
    """Opens a door for each port that is asked for; all of them close with `close`, with the lab, or with this process.

    The door's socket is made here, so that it is reached from here; it is served by a program on the lab's client, so
    that what passes it goes through the lab's network.
    """

    def __init__(self, lab: LabClient) -> None:
        self._lab = lab
        self._open: dict[tuple[str, int], Door] = {}

    def open(self, address: str, port: int) -> tuple[str, int]:
        """The place on 127.0.0.1 that leads to this address and port in the lab; the same one each time.

        Raises:
            LabError: The program that serves it did not start.
        """
        if (address, port) not in self._open:
            self._open[address, port] = self._make(address, port)
        return self._open[address, port].place

    def close(self) -> None:
        """Close every door; a lab that has ended closed them already."""
        for door in self._open.values():
            door.line.close()
            with contextlib.suppress(LabError):  # the lab is gone, and the door with it
                self._lab.signal(door.name, signal.SIGKILL)
        self._open.clear()

    def _make(self, address: str, port: int) -> Door:
        name = f"door-{address}-{port}-{secrets.token_hex(4)}"
        folder = Path(tempfile.mkdtemp(prefix="bascule-door-"))  # short: a socket's path has at most 107 bytes
        try:
            with socket.create_server(("127.0.0.1", 0)) as door, socket.socket(socket.AF_UNIX) as handing:
                handing.bind(str(folder / "s"))
                handing.listen(1)
                handing.settimeout(READY_LIMIT_S)
                argv = (sys.executable, "-m", "bascule.testing.relay", str(folder / "s"), address, str(port))
                search = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
                self._lab.spawn(CLIENT_HOST, name, argv, environment=search)
                host, number = door.getsockname()
                return Door(name, _hand_over(handing, door), (str(host), int(number)))
        except TimeoutError as error:
            log = self._lab.directory / "logs" / f"{name}.log"
            raise LabError("the way into the lab did not open", where=str(log), hint="its log says why") from error
        finally:
            shutil.rmtree(folder)


def _hand_over(handing: socket.socket, door: socket.socket) -> socket.socket:
    """Give the door's socket to the program that serves it, and wait until it does. Returns the line to it."""
    line, _ = handing.accept()
    try:
        line.settimeout(READY_LIMIT_S)
        socket.send_fds(line, [b"d"], [door.fileno()])
        is_served = line.recv(1) == b"r"
    except BaseException:
        line.close()
        raise
    if not is_served:
        line.close()
        raise TimeoutError
    return line
