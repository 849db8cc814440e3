"""Every fact of a drill is kept, told in words, and the last few are there for the live view."""

import json
from pathlib import Path

from bascule.chaos.facts import FaultInjected, FaultNotWitnessed, FaultUndone, FaultWitnessed
from bascule.drill.chronicle import KEPT, Chronicle
from bascule.drill.facts import MemberChanged, TrialBegan, TrialJudged, tell
from bascule.kernel.facts import Bus, Fact, ListenerFailed

FACTS = (
    TrialBegan(at_s=1.0, experiment="primary-kill", primary="db-1"),
    FaultInjected(at_s=2.0, kind="process-kill", steps=("kill -9 db-1",)),
    FaultWitnessed(at_s=2.1, kind="process-kill", evidence=("nothing lives",)),
    FaultNotWitnessed(at_s=2.1, kind="process-kill", evidence=("it lives",)),
    MemberChanged(at_s=2.2, member="db-1", up=False, role="unknown"),
    MemberChanged(at_s=22.0, member="db-2", up=True, role="primary"),
    FaultUndone(at_s=25.0, kind="process-kill"),
    TrialJudged(at_s=30.0, experiment="primary-kill", outcome="PASS"),
    ListenerFailed(at_s=31.0, listener="chart", heard="TrialJudged", error="no paper"),
)


def test_each_fact_has_words_of_its_own() -> None:
    told = [tell(fact) for fact in FACTS]
    assert len(set(told)) == len(FACTS)
    assert "db-2 is up as primary" in told
    assert "db-1 is down" in told
    assert tell(Fact(at_s=0.0)) == "Fact"


def test_all_facts_are_in_the_file_and_the_last_few_in_the_view(tmp_path: Path) -> None:
    bus = Bus()
    chronicle = Chronicle(tmp_path / "facts.jsonl", started_s=1.0)
    bus.subscribe(chronicle.hear)
    for fact in FACTS:
        bus.publish(fact)
    lines = [json.loads(line) for line in (tmp_path / "facts.jsonl").read_text().splitlines()]
    assert [line["fact"] for line in lines] == [type(fact).__name__ for fact in FACTS]
    assert lines[1]["steps"] == ["kill -9 db-1"]
    assert [event.text for event in chronicle.last()] == [tell(fact) for fact in FACTS[-KEPT:]]
    assert chronicle.last()[-1].at_s == 30.0


def test_a_chronicle_that_cannot_write_breaks_nothing(tmp_path: Path) -> None:
    bus = Bus()
    heard: list[Fact] = []
    bus.subscribe(Chronicle(tmp_path / "nowhere" / "facts.jsonl", 0.0).hear)
    bus.subscribe(heard.append)
    bus.publish(FACTS[0])
    assert [type(fact) for fact in heard] == [TrialBegan, ListenerFailed] or [type(fact) for fact in heard] == [
        ListenerFailed,
        TrialBegan,
    ]
