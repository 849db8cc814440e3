from __future__ import annotations

from taskmanagerpro.nearest import Nearest

NEAR, FAR = ("near", 1), ("far", 1)


def test_the_nearest_is_asked_first() -> None:
    assert Nearest((NEAR, FAR), rest_s=1.0).to_ask(0.0) == (NEAR, FAR)


def test_one_that_failed_is_left_alone_and_then_asked_again() -> None:
    nearest = Nearest((NEAR, FAR), rest_s=1.0)
    nearest.failed(NEAR, 10.0)
    assert nearest.to_ask(10.9) == (FAR,)
    assert nearest.to_ask(11.0) == (NEAR, FAR)


def test_while_all_rest_nobody_is_asked() -> None:
    nearest = Nearest((NEAR, FAR), rest_s=1.0)
    nearest.failed(NEAR, 10.0)
    nearest.failed(FAR, 10.5)
    assert nearest.to_ask(10.6) == ()
    assert nearest.to_ask(11.2) == (NEAR,)


def test_an_answer_ends_the_rest() -> None:
    nearest = Nearest((NEAR, FAR), rest_s=1.0)
    nearest.failed(NEAR, 10.0)
    nearest.answered(NEAR)
    assert nearest.to_ask(10.1) == (NEAR, FAR)
