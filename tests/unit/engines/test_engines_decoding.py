from __future__ import annotations

import pytest
from msgspec import Struct, field

from bascule.engines import decoding
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Size
from bascule.system.model import Component


class Inner(Struct, frozen=True, kw_only=True):
    port: int
    pause: Duration = Duration(1.0)


class Outer(Struct, frozen=True, kw_only=True):
    name: str = "x"
    limit: Size | None = None
    inner: Inner = Inner(port=1)
    many: dict[str, Inner] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def test_quantities_and_nested_structs_are_read() -> None:
    document = {"limit": "16MiB", "inner": {"port": 5, "pause": "250ms"}, "many": {"a": {"port": 6}}, "words": ["x"]}
    value, findings = decoding.decode(document, Outer, "o")
    assert findings == []
    assert value == Outer(
        limit=Size(16 << 20), inner=Inner(port=5, pause=Duration(0.25)), many={"a": Inner(port=6)}, words=("x",)
    )


def test_an_optional_quantity_may_be_null() -> None:
    assert decoding.decode({"limit": None}, Outer, "o") == (Outer(), [])


def test_every_mistake_is_found_in_one_go_each_with_its_path() -> None:
    document = {
        "nam": "y",
        "limit": "many",
        "inner": {"prot": 5, "pause": True},
        "many": {"a": {"port": "six"}, "b": 3},
        "words": ["x", 4],
    }
    value, findings = decoding.decode(document, Outer, "components.c.options")
    assert value is None
    found = {each.path.removeprefix("components.c.options."): each for each in findings}
    assert found["nam"].hint == "did you mean name?"
    assert "16MiB" in found["limit"].hint
    assert found["inner.prot"].hint == "did you mean port?"
    assert "missing" in found["inner.port"].what
    assert "duration" in found["inner.pause"].what
    assert found["many.a.port"].what == "expected `int`, got `str`"
    assert "mapping" in found["many.b"].what
    assert "words[1]" in found
    assert len(findings) == 8


def test_options_that_are_no_mapping_are_a_finding() -> None:
    assert decoding.decode(["x"], Outer, "o")[1][0].path == "o"


def test_a_word_far_from_all_others_gets_the_list() -> None:
    assert decoding.closest("zzz", ("alpha", "beta")) == "known: alpha, beta"
    assert decoding.closest("zzz", ()) == ""


def test_reading_options_that_were_not_checked_raises_an_error_for_people() -> None:
    with pytest.raises(InputError, match="unknown option 'prot'"):
        decoding.of(Component(engine="e", replicas={}, options={"inner": {"prot": 1, "port": 1}}), Outer)
