"""Bounds on a diagram whose inputs are known within bounds only."""

import pytest

from bascule.availability.trees.diagram import Diagrams
from bascule.availability.trees.evaluation import interval


def test_of_what_is_negated_the_bounds_change_places() -> None:
    made = Diagrams([0, 1], 100, lambda: False)
    x, y = made.variable(0), made.variable(1)
    inverse = made.finished(made.choose(x, 0, 1))
    assert interval(inverse, [0.1, 0.0], [0.3, 1.0]) == pytest.approx((0.7, 0.9))
    either = made.finished(made.choose(x, made.choose(y, 0, 1), y))
    # Each node takes its worst by itself: sound, and a little wider than 0.18 to 0.38, the ends of all that can be.
    assert interval(either, [0.1, 0.1], [0.2, 0.3]) == pytest.approx((0.16, 0.42))
