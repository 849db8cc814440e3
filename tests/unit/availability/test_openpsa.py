"""Fault trees of the Open-PSA format: what they mean, and where what is not supported or hostile is refused."""

import math

import pytest

from bascule.availability.trees import openpsa_xml
from bascule.availability.trees.openpsa import Model, read, structure, tops
from bascule.availability.trees.openpsa_xml import MOST_BYTES, MOST_DEPTH
from bascule.availability.trees.solving import solve
from bascule.kernel.errors import InputError

DATA = "".join(f'<define-basic-event name="{name}"><float value="0.{digit}"/></define-basic-event>' for name, digit in (
    ("a", 1), ("b", 2), ("c", 3),
))  # fmt: skip


def model(body: str, **known: float) -> Model:
    return read(f"<opsa-mef>{body}</opsa-mef>".encode(), "tree.xml", **known)


def formula(text: str) -> float:
    names = {"A": "a", "B": "b", "C": "c"}
    for short, name in names.items():
        text = text.replace(short, f'<basic-event name="{name}"/>')
    found = model(f'<define-fault-tree name="t"><define-gate name="g">{text}</define-gate></define-fault-tree>{DATA}')
    return solve(structure(found), expired=lambda: False).unavailability


def value(expression: str, **known: float) -> float:
    gate = '<define-fault-tree name="t"><define-gate name="g"><basic-event name="e"/></define-gate></define-fault-tree>'
    found = model(f'{gate}<define-basic-event name="e">{expression}</define-basic-event>', **known)
    return found.events["e"].unavailability


def refused(body: str) -> str:
    with pytest.raises(InputError) as caught:
        model(body)
    return str(caught.value)


@pytest.mark.parametrize(("text", "expected"), [
    ("<and>AB</and>", 0.02),
    ("<or>AB</or>", 0.28),
    ("<not>A</not>", 0.9),
    ("<nand>AB</nand>", 0.98),
    ("<nor>AB</nor>", 0.72),
    ("<xor>AB</xor>", 0.26),
    ("<xor>ABC</xor>", 0.404),
    ("<iff>AB</iff>", 0.74),
    ("<imply>AB</imply>", 0.92),
    ('<atleast min="2">ABC</atleast>', 0.098),
    ('<cardinality min="1" max="2">ABC</cardinality>', 0.49),
    ('<cardinality min="0" max="0">ABC</cardinality>', 0.504),
    ('<or><and>AB</and><constant value="false"/></or>', 0.02),
    ('<or>A<constant value="true"/></or>', 1.0),
    ("<or>A<not>A</not></or>", 1.0),
    ("<or>A<and>B<not>A</not></and></or>", 0.28),
    ("A", 0.1),
])  # fmt: skip
def test_every_formula_means_what_the_format_says(text: str, expected: float) -> None:
    assert formula(text) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("expression", "expected"), [
    ('<float value="1e-3"/>', 1e-3),
    ('<int value="1"/>', 1.0),
    ('<bool value="true"/>', 1.0),
    ('<add><float value="0.1"/><float value="0.2"/></add>', 0.3),
    ('<sub><float value="0.9"/><float value="0.2"/><float value="0.1"/></sub>', 0.6),
    ('<mul><float value="0.5"/><float value="0.5"/></mul>', 0.25),
    ('<div><float value="0.5"/><int value="2"/></div>', 0.25),
    ('<neg><neg><float value="0.5"/></neg></neg>', 0.5),
    ('<pow><float value="0.5"/><int value="2"/></pow>', 0.25),
    ('<min><float value="0.5"/><float value="0.2"/></min>', 0.2),
    ('<mean><float value="0.5"/><float value="0.1"/></mean>', 0.3),
    ('<exponential><float value="1e-12"/><float value="1"/></exponential>', 1e-12),
    ('<exponential><float value="1e-4"/><system-mission-time/></exponential>', -math.expm1(-0.876)),
    ('<GLM><float value="0"/><float value="1"/><float value="3"/><float value="1e9"/></GLM>', 0.25),
    ('<Weibull><float value="10"/><float value="2"/><float value="0"/><float value="10"/></Weibull>', 0.6321206),
    ('<uniform-deviate><float value="0.1"/><float value="0.3"/></uniform-deviate>', 0.2),
    ('<normal-deviate><float value="0.1"/><float value="0.3"/></normal-deviate>', 0.1),
    ('<lognormal-deviate><float value="0.1"/><float value="3"/><float value="0.95"/></lognormal-deviate>', 0.1),
    ('<sqrt><exp><log><float value="0.25"/></log></exp></sqrt>', 0.5),
    ('<div><pi/><mul><int value="4"/><pi/></mul></div>', 0.25),
])  # fmt: skip
def test_every_expression_has_its_value(expression: str, expected: float) -> None:
    assert value(expression, mission_time=8760) == pytest.approx(expected, rel=1e-6)


def test_parameters_refer_to_each_other_in_any_order_and_any_depth() -> None:
    chain = "".join(
        f'<define-parameter name="p{number}"><parameter name="p{number + 1}"/></define-parameter>'
        for number in range(3000)
    )
    last = '<define-parameter name="p3000"><float value="0.25"/></define-parameter>'
    gate = '<define-fault-tree name="t"><define-gate name="g"><event name="e"/></define-gate></define-fault-tree>'
    found = model(f'{gate}{chain}{last}<define-basic-event name="e"><parameter name="p0"/></define-basic-event>')
    assert found.events["e"].unavailability == 0.25


def test_gates_refer_to_each_other_in_any_order_and_any_depth() -> None:
    chain = "".join(
        f'<define-gate name="g{number}"><or><gate name="g{number + 1}"/><event name="a"/></or></define-gate>'
        for number in range(3000)
    )
    found = model(
        f'<define-fault-tree name="t">{chain}<define-gate name="g3000"><event name="b"/></define-gate>'
        f"</define-fault-tree>{DATA}"
    )
    assert tops(found) == ("g0",)
    assert solve(structure(found), expired=lambda: False).unavailability == pytest.approx(0.28, rel=1e-12)


def test_a_private_name_means_what_is_nearest_and_has_a_path_from_outside() -> None:
    found = model(
        '<define-fault-tree name="t">'
        '<define-gate name="top"><or><gate name="part.g"/><gate name="other.g"/></or></define-gate>'
        '<define-component name="part" role="private">'
        '<define-gate name="g"><and><event name="e"/><event name="a"/></and></define-gate>'
        '<define-basic-event name="e"><float value="0.5"/></define-basic-event></define-component>'
        '<define-component name="other" role="private"><define-gate name="g"><event name="e"/></define-gate>'
        '<define-basic-event name="e"><float value="0.25"/></define-basic-event></define-component>'
        f"</define-fault-tree>{DATA}"
    )
    assert tops(found) == ("top",)
    assert set(found.gates) == {"top", "t.part.g", "t.other.g"}
    assert {name: event.unavailability for name, event in found.events.items()} == {
        "t.part.e": 0.5, "t.other.e": 0.25, "a": 0.1,
    }  # fmt: skip
    assert solve(structure(found), expired=lambda: False).unavailability == pytest.approx(1 - 0.95 * 0.75, rel=1e-12)


def test_a_private_name_is_known_in_the_containers_within() -> None:
    found = model(
        '<define-fault-tree name="t" role="private"><define-component name="outer">'
        '<define-basic-event name="e"><float value="0.5"/></define-basic-event>'
        '<define-component name="inner"><define-gate name="g"><event name="e"/></define-gate></define-component>'
        "</define-component></define-fault-tree>"
    )
    assert set(found.gates) == {"t.outer.inner.g"}
    assert set(found.events) == {"t.outer.e"}


def test_a_house_event_is_a_constant_and_false_where_nothing_is_said() -> None:
    found = model(
        '<define-fault-tree name="t"><define-gate name="g"><or><event name="h"/><event name="a"/></or></define-gate>'
        f'<define-house-event name="h"/></define-fault-tree>{DATA}'
    )
    assert solve(structure(found), expired=lambda: False).unavailability == 0.1


def test_of_several_tops_one_must_be_said() -> None:
    found = model(
        '<define-fault-tree name="t"><define-gate name="g"><event name="a"/></define-gate>'
        f'<define-gate name="h"><event name="b"/></define-gate></define-fault-tree>{DATA}'
    )
    assert tops(found) == ("g", "h")
    assert solve(structure(found, "h"), expired=lambda: False).unavailability == 0.2
    with pytest.raises(InputError, match="2 top gates: g, h"):
        structure(found)
    with pytest.raises(InputError, match="no gate 'x'"):
        structure(found, "x")


GATE = '<define-fault-tree name="t">\n<define-gate name="g">{}</define-gate></define-fault-tree>' + DATA


@pytest.mark.parametrize(("body", "place", "what"), [
    ("<define-event-tree name='x'/>", "1:11", "<define-event-tree> is not supported"),
    ("<define-fault-tree name='t'><define-CCF-group name='x'/></define-fault-tree>", "1:39", "is not supported"),
    ("<define-fault-tree/>", "1:11", "<define-fault-tree> has no name"),
    (GATE.format("<event name='x'/>"), "2:23", "'x' is not defined"),
    (GATE.format("<gate name='a'/>"), "2:23", "'a' is a basic-event, not a gate"),
    (GATE.format("<maybe/>"), "2:23", "<maybe> is not supported"),
    (GATE.format(""), "2:1", "has 0 formulas"),
    (GATE.format("<event name='a'/><event name='b'/>"), "2:1", "has 2 formulas"),
    (GATE.format("<not><event name='a'/><event name='b'/></not>"), "2:23", "<not> has 2 arguments"),
    (GATE.format("<and/>"), "2:23", "<and> has 0 arguments"),
    (GATE.format("<atleast min='3'><event name='a'/></atleast>"), "2:23", "wants 3 of 1"),
    (GATE.format("<atleast min='-1'><event name='a'/></atleast>"), "2:23", "'-1'"),
    (GATE.format("<atleast><event name='a'/></atleast>"), "2:23", "has no min"),
    (GATE.format("<constant value='maybe'/>"), "2:23", "neither true nor false"),
    (GATE.format("<gate name='g'/>"), "2:1", "below itself"),
    (GATE.format("<event name='a'/>") + "<define-basic-event name='a'/>", "2:", "'a' is defined twice"),
    ("<define-fault-tree name='t'/>", "", "no gates"),
])  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(body: str, place: str, what: str) -> None:
    message = refused(body)
    assert message.startswith(f"tree.xml:{place}" if place else "tree.xml")
    assert what in message


@pytest.mark.parametrize(("expression", "what"), [
    ("", "has 0 expressions"),
    ('<float value="nan"/>', "not a finite number"),
    ('<float value="x"/>', "is not a number"),
    ('<float value="1.5"/>', "is 1.5"),
    ('<neg><float value="0.5"/></neg>', "is -0.5"),
    ('<div><float value="1"/><float value="0"/></div>', "has no value"),
    ('<log><float value="-1"/></log>', "has no value"),
    ('<exp><float value="1e9"/></exp>', "has no value"),
    ("<exponential><float value='1'/></exponential>", "has 1 arguments"),
    ("<periodic-test/>", "<periodic-test> is not supported"),
    ("<system-mission-time/>", "the mission time is not known"),
    ('<parameter name="x"/>', "'x' is not defined"),
])  # fmt: skip
def test_an_expression_without_a_probability_is_refused(expression: str, what: str) -> None:
    with pytest.raises(InputError, match=r"^tree\.xml:1:") as caught:
        value(expression)
    assert what in str(caught.value)


def test_a_parameter_by_way_of_itself_is_refused() -> None:
    loop = "".join(
        f'<define-parameter name="{one}"><parameter name="{other}"/></define-parameter>' for one, other in ("pq", "qp")
    )
    assert "by way of itself" in refused(
        GATE.format("<event name='x'/>")
        + loop
        + '<define-basic-event name="x"><parameter name="p"/></define-basic-event>'
    )


@pytest.mark.parametrize(("data", "what"), [
    (b"<opsa-mef", "not well-formed"),
    (b"", "not well-formed"),
    (b"\xff\x00<a/>", "not well-formed"),
    (b'<?xml version="1.0" encoding="no-such"?><opsa-mef/>', "not well-formed"),
    (b"<other/>", "not the root"),
    (b"<!DOCTYPE opsa-mef><opsa-mef/>", "document type"),
    (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><opsa-mef>&b;</opsa-mef>', "document type"),
    (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><opsa-mef/>', "document type"),
    (b"<opsa-mef>&lt;&unknown;</opsa-mef>", "not well-formed"),
    (b"<a>" * (MOST_DEPTH + 1), "nested more than"),
    (b" " * (MOST_BYTES + 1), "bytes"),
])  # fmt: skip
def test_hostile_or_broken_xml_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(InputError, match=r"tree\.xml") as caught:
        read(data, "tree.xml")
    assert what in str(caught.value)


def test_too_many_elements_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openpsa_xml, "MOST_ELEMENTS", 1000)
    with pytest.raises(InputError, match=r"^tree\.xml:1:.*more than 1,000 elements"):
        read(b"<opsa-mef>" + b"<label/>" * 1000 + b"</opsa-mef>", "tree.xml")
    with pytest.raises(InputError, match="no gates"):
        read(b"<opsa-mef>" + b"<label/>" * 999 + b"</opsa-mef>", "tree.xml")
