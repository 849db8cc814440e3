"""What a lab may be given: which faults need it, and a refusal that says why and what to do."""

import pytest

from bascule.chaos.faults.catalogue import KINDS
from bascule.kernel.errors import MachineError
from bascule.lab import abilities, disk_mount, faketime, isolation
from bascule.lab.abilities import Abilities, demand, needed

EACH = ("disks", "clocks", "names")


@pytest.mark.parametrize("asked", EACH)
def test_on_loopback_nothing_of_it_can_be_had_and_the_way_out_is_told(asked: str) -> None:
    with pytest.raises(MachineError) as refused:
        demand(Abilities(**{asked: True}), "loopback")
    assert refused.value.hint == "it needs the isolation namespaces"


@pytest.mark.parametrize("asked", EACH)
def test_without_namespaces_the_machine_chooses_loopback_and_the_same_is_told(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "available", lambda: "forbidden here")
    with pytest.raises(MachineError) as refused:
        demand(Abilities(**{asked: True}), "auto")
    assert refused.value.hint == "it needs the isolation namespaces"


def test_with_namespaces_it_is_refused_for_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "available", lambda: "")
    monkeypatch.setattr(disk_mount, "available", lambda: "no device")
    monkeypatch.setattr(faketime, "library", lambda: ("", f"there is none: {faketime.HINT}"))
    with pytest.raises(MachineError, match="no device") as refused:
        demand(Abilities(disks=True), "auto")
    assert refused.value.hint == disk_mount.HINT
    with pytest.raises(MachineError, match="pip install libfaketime") as refused:
        demand(Abilities(clocks=True), "auto")
    assert refused.value.hint == ""


def test_who_asks_for_nothing_is_refused_nothing() -> None:
    demand(abilities.NONE, "loopback")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind()))
def test_a_fault_needs_what_its_name_says(kind: type) -> None:
    asked = needed(kind.NEEDS).asked()  # type: ignore[attr-defined]  # every fault has it
    name = kind.kind()  # type: ignore[attr-defined]  # the same
    prefixes = {"disk-": ("disks",), "sync-": ("disks",), "clock-": ("clocks",), "dns-": ("names",)}
    wanted = next((given for start, given in prefixes.items() if name.startswith(start)), ())
    assert asked == wanted
