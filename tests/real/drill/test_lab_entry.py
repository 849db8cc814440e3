"""A lab whose entry is one address: it follows who serves, whoever moves it; and what keepalived cannot do is seen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from drilling import ORDINARY, Command, wait_until

from bascule.cli.system_file import load_checked
from bascule.engines import binaries
from bascule.kernel.errors import InputError, MissingProgramError
from bascule.lab import isolation
from bascule.lab.lab import Lab, running
from bascule.lab.plan import CLIENT_HOST, probe_host

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

DOORWAY = Path(__file__).with_name("doorway.yaml")
BASCULE = "{kind: vip, store: leases, ttl: 2s}"
KEEPALIVED = "{kind: vip, provider: keepalived, options: {advert: 100ms}}"
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=2).status)"
EDGES = ("edge-north-a-1", "edge-north-a-2")


def doorway(directory: Path, entry: str) -> Path:
    """The small system, with this entry."""
    text = DOORWAY.read_text()
    assert BASCULE in text
    path = directory / "doorway.yaml"
    path.write_text(text.replace(BASCULE, entry))
    (directory / "notebook.py").write_text(DOORWAY.with_name("notebook.py").read_text())
    return path


@pytest.fixture(scope="module", params=["bascule", "keepalived"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if why := isolation.available():
        pytest.skip(f"namespaces: {why}")
    if request.param == "keepalived":
        try:
            binaries.find("keepalived")
        except MissingProgramError as error:
            pytest.skip(f"keepalived: {error}")
    where = tmp_path_factory.mktemp(request.param)
    file = doorway(where, BASCULE if request.param == "bascule" else KEEPALIVED)
    with running(load_checked(file), where / "lab", source=file) as made:
        yield made


@pytest.fixture
def whole(lab: Lab) -> Iterator[Lab]:
    """The lab, whole before and after each test."""
    wait_until(lab.is_whole, 60, "the lab is whole")
    yield lab
    lab.world.heal()
    lab.world.power_on(EDGES)
    for member in lab.world.status().members:
        lab.world.start(member.name)


def holders(lab: Lab) -> list[str]:
    return [each.host for each in lab.world.holding() if each.holds]


def only_holder(lab: Lab) -> str:
    (holder,) = holders(lab)
    return holder


def other(holder: str) -> str:
    return next(edge for edge in EDGES if edge != holder)


def moved(lab: Lab, old: str) -> bool:
    """The other edge has the address, and the old one does not."""
    return holders(lab) == [other(old)]


def is_served(lab: Lab, host: str) -> bool:
    """Whether somebody answers this host at the address."""
    assert lab.plan.vip is not None
    url = f"http://{lab.plan.vip.address}:8080/health"
    return lab.world.run(host, (sys.executable, "-c", ASK, url)).exit_code == 0


def beside(lab: Lab, host: str) -> str:
    """What moves the address, on this host."""
    assert lab.system.vip is not None
    return f"{host}-{lab.system.vip.provider}"


def test_one_edge_has_the_address_and_the_clients_outside_are_served_by_it(whole: Lab) -> None:
    holder = only_holder(whole)
    seen = whole.observe({"edge"})["edge"]
    assert {name: one.role for name, one in seen.items()} == {holder: "primary", other(holder): "replica"}
    assert "has the entry's address" in seen[holder].detail
    assert is_served(whole, CLIENT_HOST)


def test_the_address_leaves_an_edge_that_is_killed_alone(whole: Lab) -> None:
    holder = only_holder(whole)
    whole.world.kill(holder)
    assert whole.world.processes(beside(whole, holder))
    wait_until(lambda: moved(whole, holder), 30, "the address moves")
    assert is_served(whole, CLIENT_HOST)


def test_it_leaves_a_host_without_power_which_comes_back_as_a_standby(whole: Lab) -> None:
    holder = only_holder(whole)
    whole.world.power_off((holder,))
    assert not whole.world.processes(beside(whole, holder))
    wait_until(lambda: moved(whole, holder), 30, "the address moves")
    assert is_served(whole, CLIENT_HOST)
    whole.world.power_on((holder,))
    wait_until(whole.is_whole, 60, "the lab is whole")
    assert whole.world.processes(beside(whole, holder))
    assert moved(whole, holder)


def test_an_orderly_handover(whole: Lab) -> None:
    holder = only_holder(whole)
    whole.move_entry(other(holder))
    wait_until(lambda: moved(whole, holder), 30, "the address moves")
    assert is_served(whole, CLIENT_HOST)


def test_in_a_partition_a_lease_has_one_holder_and_keepalived_two(whole: Lab) -> None:
    assert whole.system.vip is not None
    holder = only_holder(whole)
    inside = probe_host("north-a")
    whole.world.partition((holder, inside))
    wait_until(lambda: other(holder) in holders(whole), 30, "another one takes it")
    assert is_served(whole, CLIENT_HOST)
    if whole.system.vip.provider == "keepalived":
        assert holders(whole) == [*EDGES]
    else:
        assert moved(whole, holder)
        assert not is_served(whole, inside)
    whole.world.heal()
    wait_until(lambda: len(holders(whole)) == 1, 30, "one holder is left")
    wait_until(lambda: is_served(whole, inside), 30, "whoever sent to the old holder is served")


def test_what_moves_the_address_may_die_and_is_missed(whole: Lab) -> None:
    """With a lease nothing is left behind; with VRRP the address may stay where it was, and both have it."""
    assert whole.system.vip is not None
    holder = only_holder(whole)
    whole.world.kill(beside(whole, holder))
    assert "what moves the address is not ready" in whole.observe({"edge"})["edge"][holder].detail
    assert not whole.is_whole()
    wait_until(lambda: other(holder) in holders(whole), 30, "another one takes it")
    if whole.system.vip.provider == "bascule":
        wait_until(lambda: moved(whole, holder), 30, "the old holder has it no more")


def test_on_loopback_no_address_can_move_and_that_is_said(tmp_path: Path) -> None:
    words = ("lab", "up", doorway(tmp_path, BASCULE), "--isolation", "loopback", "--dir", tmp_path / "lab")
    code, _, err = Command(*words, directory=tmp_path, within=ORDINARY).result(60)
    assert code == 2
    assert "on loopback no host has a network of its own" in err
    assert not (tmp_path / "lab").exists()


def test_a_lab_is_not_taken_over_with_another_entry(whole: Lab, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another system"):
        whole.adopt(load_checked(doorway(tmp_path, "{kind: members}")))
