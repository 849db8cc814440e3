"""A host's resolver tells the truth, or what a trouble says; what cannot be read gets no answer."""

import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.chaos.naming import DnsTrouble
from bascule.lab.dns_answers import WRONG, answer, read, trouble_of

BOOK = {"store-a-1": ("10.88.1.10",), "store": ("10.88.1.10", "10.88.2.10")}


def asked(name: str, kind: str = "A") -> bytes:
    return dns.message.make_query(name, kind).to_wire()


def told(data: bytes, how: str | None = None) -> dns.message.Message:
    question = read(data)
    assert question is not None
    reply = answer(question, BOOK, how)  # type: ignore[arg-type]  # one of the four words
    assert reply is not None
    return dns.message.from_wire(reply)


def addresses(message: dns.message.Message) -> list[str]:
    return [item.to_text() for rrset in message.answer for item in rrset]


@pytest.mark.parametrize("name", ["store-a-1", "STORE-a-1.", "store-a-1.lab", "store-a-1.LAB."])
def test_a_host_is_found_by_its_name_in_any_case_with_or_without_the_domain(name: str) -> None:
    assert addresses(told(asked(name))) == ["10.88.1.10"]


def test_a_component_has_the_addresses_of_all_its_members() -> None:
    assert sorted(addresses(told(asked("store")))) == ["10.88.1.10", "10.88.2.10"]


def test_a_name_that_nobody_has_is_not_there_and_one_without_ipv6_has_no_such_address() -> None:
    assert told(asked("nobody")).rcode() == dns.rcode.NXDOMAIN
    without = told(asked("store", "AAAA"))
    assert (without.rcode(), addresses(without)) == (dns.rcode.NOERROR, [])


def test_each_trouble_is_told_as_it_is_called() -> None:
    assert told(asked("store"), "nxdomain").rcode() == dns.rcode.NXDOMAIN
    assert told(asked("store"), "servfail").rcode() == dns.rcode.SERVFAIL
    assert addresses(told(asked("store"), "wrong-answer")) == [WRONG]
    question = read(asked("store"))
    assert question is not None
    assert answer(question, BOOK, "timeout") is None


def test_a_trouble_of_some_names_leaves_the_others_alone() -> None:
    some = DnsTrouble(how="nxdomain", names=("store",))
    for name, met in (("store", some), ("store.lab", some), ("store-a-1", None)):
        question = read(asked(name))
        assert question is not None
        assert trouble_of(question, [some]) == met


def test_an_answer_is_no_question() -> None:
    assert read(dns.message.make_response(dns.message.from_wire(asked("store"))).to_wire()) is None


@given(st.binary(max_size=600))
def test_what_cannot_be_read_gets_no_answer_and_breaks_nothing(data: bytes) -> None:
    question = read(data)
    if question is not None:
        answer(question, BOOK, None)


@given(st.data())
def test_a_damaged_question_breaks_nothing(data: st.DataObject) -> None:
    whole = bytearray(asked("store-a-1"))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    question = read(bytes(whole))
    if question is not None:
        answer(question, BOOK, "wrong-answer")
