"""A call's arguments make a key, or it is said why they do not."""

from __future__ import annotations

import pytest

from bascule.guard.keys import key_of
from bascule.kernel.errors import InputError


class Owner:
    """Something that wants keys."""


def test_the_function_is_given_what_the_call_was_given() -> None:
    assert key_of(Owner(), lambda host, *, port: (host, port), ("a",), {"port": 1}) == ("a", 1)


def test_without_a_function_the_arguments_are_the_key() -> None:
    assert key_of(Owner(), None, (1, "x"), {}) == key_of(Owner(), None, (1, "x"), {})
    assert key_of(Owner(), None, (1,), {"a": 1, "b": 2}) == key_of(Owner(), None, (1,), {"b": 2, "a": 1})


def test_different_arguments_are_different_keys() -> None:
    keys = {
        key_of(Owner(), None, args, kwargs)
        for args, kwargs in [((), {}), ((1,), {}), ((1, 2), {}), ((), {"a": 1}), ((("a", 1),), {}), (((),), {})]
    }
    assert len(keys) == 6


@pytest.mark.parametrize("args", [([1],), ({},), (({1},),)])
def test_arguments_that_make_no_key_are_refused_with_what_to_do(args: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match=r"Owner: the arguments of this call make no key: .*give Owner a key="):
        key_of(Owner(), None, args, {})


def test_a_function_whose_key_cannot_be_hashed_is_refused() -> None:
    with pytest.raises(InputError, match="make no key"):
        key_of(Owner(), lambda one: [one], (1,), {})  # type: ignore[arg-type, return-value] # which is what is tried


def test_what_the_function_raises_stays_what_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        key_of(Owner(), lambda one: 1 // one, (0,), {})
