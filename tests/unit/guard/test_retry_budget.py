"""What a retry budget promises: over any span of calls, retries are at most the reserve plus a share of the calls."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bascule.guard import RetryBudget
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError


def test_the_reserve_is_there_at_once_and_no_more() -> None:
    budget = RetryBudget(0.1, 3)
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def test_ten_calls_pay_for_one_retry() -> None:
    budget = RetryBudget(0.1, 1)
    assert budget.withdraw()
    for _ in range(3):
        for _ in range(9):
            budget.deposit()
            assert not budget.withdraw()
        budget.deposit()
        assert budget.withdraw()


def test_what_is_paid_in_beyond_the_reserve_is_lost() -> None:
    budget = RetryBudget(1.0, 2)
    for _ in range(100):
        budget.deposit()
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]


def test_it_says_whether_a_call_must_be_counted() -> None:
    budget = RetryBudget(0.5, 1)
    said = [budget.is_short]
    budget.withdraw()
    said.append(budget.is_short)
    for _ in range(2):
        budget.deposit()
        said.append(budget.is_short)
    assert said == [False, True, True, False]


@pytest.mark.parametrize("seed", range(20))
def test_any_span_of_calls_keeps_to_the_bound(seed: int) -> None:
    dice = SeededDice(seed)
    ratio, reserve = dice.choice([0.1, 0.25, 0.3, 1.0]), dice.choice([1, 3, 10])
    budget = RetryBudget(ratio, reserve)
    retries = [0]  # after each call, in all
    for _ in range(500):
        if budget.is_short:
            budget.deposit()
        wanted = dice.choice([0, 0, 0, 1, 5])
        retries.append(retries[-1] + sum(budget.withdraw() for _ in range(wanted)))
    for start in range(0, 500, 7):
        for end in range(start + 1, 501):
            assert retries[end] - retries[start] <= reserve + ratio * (end - start) + 1e-3


def test_several_threads_share_it_to_the_last_token() -> None:
    budget = RetryBudget(0.1, 1000)
    start = threading.Barrier(4)
    taken: list[int] = []

    def take() -> None:
        start.wait()
        taken.append(sum(budget.withdraw() for _ in range(500)))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 1000


def test_its_bounds_may_change_and_its_tokens_stay() -> None:
    budget = RetryBudget(0.1, 10)
    for _ in range(4):
        budget.withdraw()
    budget.reconfigure(0.5, 20)
    assert budget.snapshot() == {"tokens": 6.0, "reserve": 20}
    budget.deposit()
    assert budget.tokens == 6.5
    budget.reconfigure(0.5, 2)
    assert budget.tokens == 2.0
    with pytest.raises(InputError, match=r"RetryBudget\.ratio: 0 "):
        budget.reconfigure(0, 5)
    assert budget.reserve == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratio": 0}, r"RetryBudget\.ratio: 0 must be a number above 0 and at most 10"),
        ({"ratio": -0.1}, r"RetryBudget\.ratio: -0\.1 "),
        ({"ratio": 11}, r"RetryBudget\.ratio: 11 "),
        ({"ratio": float("nan")}, r"RetryBudget\.ratio: nan "),
        ({"ratio": "0.1"}, r"RetryBudget\.ratio: '0\.1' "),
        ({"reserve": 0.5}, r"RetryBudget\.reserve: 0\.5 must be a number of at least 1"),
        ({"reserve": float("inf")}, r"RetryBudget\.reserve: inf "),
    ],
)
def test_an_impossible_bound_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RetryBudget(**options)
