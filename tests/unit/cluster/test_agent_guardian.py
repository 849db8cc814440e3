from __future__ import annotations

from bascule.cluster.agent.guardian import Held, Watch


def test_what_is_held_is_due_when_its_validity_ends_and_only_once() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0, "b": 12.0}))
    assert watch.next_s() == 10.0
    assert watch.due(9.99) == ()
    assert watch.due(10.0) == ("a",)
    assert watch.due(11.0) == ()
    assert watch.due(12.0) == ("b",)
    assert watch.next_s() is None


def test_a_renewal_moves_the_end() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0}))
    watch.hear(Held(until_s={"a": 20.0}))
    assert watch.due(15.0) == ()
    assert watch.due(20.0) == ("a",)


def test_a_group_that_is_given_back_is_not_due() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0}))
    watch.hear(Held())
    assert watch.due(100.0) == ()
    assert watch.gone() == {}


def test_all_that_is_held_is_due_when_the_agent_is_gone() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0, "b": 12.0}))
    assert watch.gone() == {"a": 10.0, "b": 12.0}
    assert watch.over
    assert watch.due(100.0) == ()


def test_nothing_is_due_after_a_goodbye() -> None:
    watch = Watch()
    watch.hear(Held(until_s={"a": 10.0}))
    watch.hear(Held(goodbye=True))
    assert watch.over
    assert watch.gone() == {}
