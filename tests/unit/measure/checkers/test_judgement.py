"""The verdict on a whole history."""

import pytest

from bascule.kernel.errors import InputError
from bascule.measure.checkers import Operation
from bascule.measure.checkers.judgement import judge

SOUND = [Operation("write", "a", 1, 0.0, 1.0), Operation("read", "a", 1, 2.0, 3.0)]


def test_a_sound_history_passes() -> None:
    assert judge(SOUND).outcome == "PASS"


def test_one_broken_object_fails_all_and_is_named() -> None:
    lost = [Operation("append", "b", 1, 0.0, 1.0), Operation("list", "b", (), 2.0, 3.0)]
    judgement = judge(SOUND + lost)
    assert judgement.outcome == "FAIL"
    assert judgement.reasons == ("b: 1 lost",)
    assert [each.violations for each in judgement.objects] == [0, 1]


def test_objects_are_judged_apart() -> None:
    crossed = [Operation("write", "b", 1, 4.0, 5.0), Operation("read", "b", 1, 6.0, 7.0)]
    assert judge(SOUND + crossed).outcome == "PASS"


@pytest.mark.parametrize("blind", [[], [Operation("write", "a", 1, 0.0, 1.0)], [Operation("add", "a", 1, 0.0, 1.0)]])
def test_a_history_that_nobody_read_shows_nothing(blind: list[Operation]) -> None:
    assert judge(blind).outcome == "INVALID"


def test_what_is_broken_is_broken_though_another_object_was_never_read() -> None:
    history = [Operation("add", "b", 1, 0.0, 1.0), Operation("read", "a", 7, 2.0, 3.0)]
    assert judge(history).outcome == "FAIL"


def test_with_a_bound_registers_are_judged_by_age() -> None:
    old = [*SOUND, Operation("write", "a", 2, 4.0, 5.0), Operation("read", "a", 1, 6.0, 7.0)]
    assert judge(old).outcome == "FAIL"
    assert judge(old, max_staleness_s=1.0).outcome == "PASS"
    assert judge(old, max_staleness_s=0.5).reasons == (
        "a: 1 stale (read 1 (6.000 to 7.000 s): overwritten 1.000 s before it was sent)",
    )


def test_an_object_of_two_types_is_refused() -> None:
    with pytest.raises(InputError, match="'a' is a register and has a append"):
        judge([*SOUND, Operation("append", "a", 1, 0.0, 1.0)])


def test_an_answer_before_its_question_is_refused() -> None:
    with pytest.raises(InputError, match="answered before it was sent"):
        judge([Operation("write", "a", 1, 2.0, 1.0)])
