"""Plain data reads like what a person writes."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import pytest

from bascule.kernel.quantities import Duration, Rate, Share, Size
from bascule.system.model import Availability, Need
from bascule.system.plain import plain


class Colour(Enum):
    RED = "red"


def test_quantities_paths_and_enums_become_text() -> None:
    value = {"a": Duration(30.0), "b": [Rate(2.0), Size(1024)], "c": (Share(0.5),), "d": Path("/x"), "e": Colour.RED}
    assert plain(value) == {"a": "30s", "b": ["2/s", "1KiB"], "c": ["50%"], "d": "/x", "e": "red"}


def test_structs_become_groups_of_keys_with_or_without_defaults() -> None:
    availability = Availability(target=Share(0.999))
    assert plain(availability) == {"target": "99.9%", "window": "30d"}
    assert plain(availability, defaults=False) == {"target": "99.9%"}
    assert plain({"x": Need()}, defaults=False) == {"x": {}}


def test_sets_are_put_in_order() -> None:
    assert plain({"b", "a"}) == ["a", "b"]


def test_what_has_no_plain_form_is_refused() -> None:
    with pytest.raises(TypeError, match="a object has no plain form"):
        plain([object()])
