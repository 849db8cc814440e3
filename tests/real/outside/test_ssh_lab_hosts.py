"""A process on a host that has a network of its own: a real sshd there, the command elsewhere, a real wire between."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.test_platform_contract import NORTH, SYSTEM
from tests.real.cluster.daemons import need
from tests.real.outside.outside_rig import WORKER, allow, eventually
from tests.real.outside.sshd import configure

from bascule.engines.protocols import Launch
from bascule.lab import isolation, world
from bascule.lab.client import LabClient
from bascule.lab.plan import CLIENT_HOST, layout
from bascule.lab.protocol import Completed

pytestmark = pytest.mark.real
PORT = 2222
USERS = """\
operator:x:{user}:{user}::{place}:/bin/sh
sshd:x:101:65534::/nowhere:/usr/sbin/nologin
"""
KNOWN = 'mount --bind "$0" /etc/passwd && exec "$@"'
"""ssh and sshd serve whom they know, and on a host of a lab everybody is one user: what follows knows it."""


class Far:
    """A host of a lab that ssh reaches, a worker on it, and who types commands on another host."""

    def __init__(self, lab: LabClient, place: Path) -> None:
        self.lab = lab
        self.place = place
        unshare = need("unshare", "util-linux")
        self._known = (unshare, "-c", "--keep-caps", "-m", "sh", "-c", KNOWN, str(place / "passwd"))
        self._serve()
        self.home = place / "worker"
        self.home.mkdir()
        self._worker = (sys.executable, "-c", WORKER, str(self.home))
        self._launch("worker", self._worker)
        eventually((self.home / "starts").exists)
        eventually(lambda: (self.home / "starts").read_text().endswith("\n"))
        self.rules = allow(
            place / "allow.yaml",
            {"host": "far", "words": [*self._worker], "faults": ["all"], "ssh_config": str(place / "ssh_config")},
        )

    def _serve(self) -> None:
        place = self.place
        (place / "passwd").write_text(USERS.format(user=isolation.inner_id(os.geteuid()), place=place))
        known = self.lab.run(NORTH, (*self._known, "true"))
        if known.exit_code != 0:
            pytest.skip(f"users cannot be made known here: {known.stderr.decode(errors='replace')}")
        sshd = configure(place, self.lab.address_of(NORTH), PORT, "operator")
        self._launch("sshd", (*self._known, *sshd))
        ssh = (*self._known, "ssh", "-F", str(place / "ssh_config"), "-o", "BatchMode=yes", "far", "exit 0")
        eventually(lambda: self.lab.run(CLIENT_HOST, ssh).exit_code == 0)

    def _launch(self, member: str, argv: tuple[str, ...]) -> None:
        home = self.lab.directory / "members" / member
        home.mkdir(parents=True)
        self.lab.launch(NORTH, member, Launch(argv=argv), home)

    def bascule(self, *words: object) -> Completed:
        """Typed on another host; its own programs and files are this machine's."""
        argv = (*self._known, sys.executable, "-m", "bascule", "chaos", *map(str, words))
        return self.lab.run(CLIENT_HOST, argv, timeout_s=120)

    @contextlib.contextmanager
    def inject(self, run: Path, *words: str) -> Iterator[list[Completed]]:
        """`chaos inject` meanwhile; afterwards how it ended."""
        pid = (self.home / "starts").read_text().split()[0]
        ended: list[Completed] = []
        all_words = ("inject", *words, "--on", f"ssh:far/pid:{pid}", "--allow", self.rules, "--yes", "-o", run)
        typed = threading.Thread(target=lambda: ended.append(self.bascule(*all_words)))
        typed.start()
        try:
            yield ended
        finally:
            typed.join()

    def frozen(self) -> bool:
        """Whether the worker is, as the lab sees it."""
        return {view.state for view in self.lab.processes("worker")} == {"frozen"}

    def works(self) -> bool:
        before = (self.home / "lives").stat().st_size
        eventually(lambda: (self.home / "lives").stat().st_size > before, 5.0)
        return True


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    if why := world.isolation_available():
        pytest.skip(why)
    if os.geteuid() != 0:
        pytest.skip(
            "in an ordinary user's namespaces root is nobody, and no allow-list below root's directories is believed"
        )
    plan = layout(SYSTEM, world.choose_prefix("namespaces"))
    lab = world.create(tmp_path / "lab", plan, isolation="namespaces")
    try:
        yield Far(lab, tmp_path)
    finally:
        lab.down()


def test_a_process_on_another_host_is_stopped_and_goes_on(far: Far, tmp_path: Path) -> None:
    with far.inject(tmp_path / "run", "process-freeze", "--for", "3s") as ended:
        eventually(lambda: far.frozen() or ended)
        assert not ended, ended[0]
    assert ended[0].exit_code == 0, ended[0]
    assert far.works()
    assert far.bascule("status", tmp_path / "run").exit_code == 0


def test_a_wire_that_is_cut_frees_the_other_host_when_the_lease_is_over(far: Far, tmp_path: Path) -> None:
    with far.inject(tmp_path / "run", "process-freeze", "--for", "40s") as ended:
        eventually(lambda: far.frozen() or ended)
        assert not ended, ended[0]
        far.lab.partition((NORTH,))
        eventually(lambda: not far.frozen())
        assert far.works()
        far.lab.heal()
    assert ended[0].exit_code != 0, ended[0]
    eventually(lambda: far.bascule("recover", tmp_path / "run").exit_code == 0)
    assert far.bascule("status", tmp_path / "run").exit_code == 0
