"""An experiment in Chaos Toolkit's format: what it says, and that it always takes back what it does."""

from __future__ import annotations

from typing import Any

from bascule.drill.chaos_toolkit.export import experiment, outline_of_experiment, outline_of_fault
from bascule.drill.chaos_toolkit.outline import Outline, PlannedDrill, PlannedFault

FREEZE = PlannedFault(kind="process-freeze", parameters={"member": "db-1"}, for_s=3.0)


def written(outline: Outline) -> dict[str, Any]:
    return experiment(outline, lab=".bascule/shop", system="shop.yaml")


def test_rollbacks_are_played_whatever_happens_and_undo_everything() -> None:
    document = written(outline_of_fault(FREEZE, "SIGSTOP", "it stands still", system="shop"))
    assert document["runtime"]["rollbacks"] == {"strategy": "always"}
    assert [each["provider"]["func"] for each in document["rollbacks"]] == ["undo", "wait_whole"]
    assert document["controls"][0]["provider"]["module"] == "chaosbascule.control"


def test_a_single_fault_acts_while_the_steady_state_is_looked_at_again() -> None:
    document = written(outline_of_fault(FREEZE, "SIGSTOP", "it stands still", system="shop"))
    injected, acts = document["method"]
    assert injected["provider"]["arguments"]["parameters"] == {"member": "db-1"}
    assert "hold_s" not in injected["provider"]["arguments"]
    assert injected["pauses"] == {"after": 3.0}
    assert acts["provider"]["func"] == "fault_acts"


def test_several_names_are_written_as_on_the_command_line() -> None:
    planned = PlannedFault(kind="power-loss", parameters={"hosts": ("a", "b")})
    outline = outline_of_fault(planned, "cuts", "dark", system="shop")
    assert outline.title == "shop: power-loss hosts=a,b"
    assert written(outline)["method"][0]["name"] == "power-loss: a,b"


def test_a_fault_without_a_length_acts_for_ten_seconds() -> None:
    document = written(Outline(title="t", description="d", faults=(PlannedFault(kind="process-kill"),)))
    assert document["method"][0]["pauses"] == {"after": 10.0}


def test_several_faults_have_their_times_and_the_method_waits_for_the_last_one() -> None:
    second = PlannedFault(kind="process-kill", parameters={"member": "db-2"}, at_s=4.0, for_s=2.0)
    document = written(Outline(title="t", description="d", faults=(FREEZE, second)))
    first, later, end = document["method"]
    assert first["background"] is later["background"] is True
    assert "pauses" not in first
    assert later["pauses"] == {"before": 4.0}
    assert later["provider"]["arguments"]["hold_s"] == 2.0
    assert end["pauses"] == {"before": 6.0}


def test_the_verdict_of_a_drill_is_a_probe_with_a_tolerance() -> None:
    planned = PlannedDrill(experiments=("primary-kill",), trials=3, hold="2s")
    document = written(outline_of_experiment("primary-kill", "SIGKILL", planned, system="shop"))
    (drilled,) = document["method"]
    assert drilled["provider"]["arguments"] == {
        "system": "${bascule_system}",
        "lab": "${bascule_lab}",
        "experiments": ["primary-kill"],
        "trials": 3,
        "hold": "2s",
    }
    verdict = document["steady-state-hypothesis"]["probes"][-1]
    assert verdict["provider"]["func"] == "verdict"
    assert verdict["tolerance"]["provider"]["func"] == "promise_kept"


def test_a_fault_must_have_been_seen_to_act_for_the_experiment_to_hold() -> None:
    document = written(outline_of_fault(FREEZE, "SIGSTOP", "it stands still", system="shop"))
    probes = document["steady-state-hypothesis"]["probes"]
    assert ("all_witnessed", True) in [(each["provider"]["func"], each["tolerance"]) for each in probes]
