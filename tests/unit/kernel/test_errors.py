"""Every error says what, where and what to do, and knows its exit code."""

from __future__ import annotations

import pytest

from bascule.kernel import errors
from bascule.kernel.errors import AbortedError, BasculeError, InputError, LabError, NotReadyError


def test_an_error_is_one_line_with_place_and_next_step() -> None:
    error = InputError("the zone is unknown", where="a.yaml:3:5", hint="did you mean 'paris-a'?")
    assert str(error) == "a.yaml:3:5: the zone is unknown (did you mean 'paris-a'?)"
    assert str(InputError("no")) == "no"


def test_all_errors_are_in_one_tree_with_their_exit_codes() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BasculeError)]
    assert len(kinds) > 5
    assert {kind.exit_code for kind in kinds if kind is not AbortedError} == {2}
    assert AbortedError.exit_code == 3


def test_a_member_that_is_not_ready_is_an_error_of_the_lab() -> None:
    with pytest.raises(LabError):
        raise NotReadyError("database-paris-a-1 is not ready")


def test_the_docstring_draws_every_error() -> None:
    for name, kind in vars(errors).items():
        if isinstance(kind, type):
            assert name in (errors.__doc__ or "")
