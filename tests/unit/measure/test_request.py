import msgspec
import pytest

from bascule.measure.request import Request, Template, copies_of, field_of, is_token, meaning
from bascule.system.model import Operation


def test_only_names_in_braces_are_places() -> None:
    template = Template('{"title": "t{number}", "by": {"client": "{client}"}, "empty": {}, "of": "{task}"}')
    assert template.needs == {"task"}
    assert template.in_body({"number": 7, "client": "outside", "task": 'a"b'}) == (
        '{"title": "t7", "by": {"client": "outside"}, "empty": {}, "of": "a\\"b"}'
    )


def test_values_in_a_path_are_encoded() -> None:
    assert (
        Template("/tasks/{task}?by={client}").in_path({"task": "a/b c", "client": "é"}) == "/tasks/a%2Fb%20c?by=%C3%A9"
    )
    with pytest.raises(KeyError):
        Template("/{task}").in_path({})


def test_a_write_as_it_goes_over_the_wire() -> None:
    operation = Operation(name="create", method="POST", path="/tasks", body='{"n": {number}}', writes=True)
    text = Request(operation).text("10.0.0.1:80", {"number": 12, "client": "outside"}, "secret")
    assert text == (
        b"POST /tasks HTTP/1.1\r\nHost: 10.0.0.1:80\r\nAuthorization: Bearer secret\r\n"
        b"Idempotency-Key: outside-12\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n" + b'{"n": 12}'
    )


def test_a_write_that_claims_no_idempotency_has_no_key_and_a_read_neither() -> None:
    write = Operation(name="create", method="POST", path="/", writes=True, idempotent=False)
    read = Operation(name="read", method="GET", path="/")
    for operation in (write, read):
        assert b"Idempotency" not in Request(operation).text("h", {"number": 1, "client": "c"})


def test_a_path_cannot_smuggle_a_header_in() -> None:
    text = Request(Operation(name="x", method="GET", path="/a b\r\nEvil: 1")).text("h", {})
    assert text.split(b"\r\n")[0] == b"GET /a%20b%0D%0AEvil:%201 HTTP/1.1"


@pytest.mark.parametrize(
    ("status", "writes", "not_applied", "signed_in", "reply"),
    [
        (200, True, False, True, "acknowledged"),
        (201, True, False, True, "acknowledged"),
        (302, False, False, False, "refused"),
        (401, True, False, True, "unauthorised"),
        (401, True, False, False, "refused"),
        (404, True, False, True, "refused"),
        (503, True, False, True, "undecided"),
        (503, True, True, True, "refused"),
        (503, False, False, True, "refused"),
    ],
)
def test_what_an_answer_means(status: int, writes: bool, not_applied: bool, signed_in: bool, reply: str) -> None:
    assert meaning(status, writes=writes, not_applied=not_applied, signed_in=signed_in) == reply


def test_a_field_of_an_answer() -> None:
    assert field_of(b'{"id": 7}', "id") == 7
    assert field_of(b'{"id": "x"}', "id") == "x"
    for body in (b'{"id": null}', b'{"id": true}', b"{}", b"[]", b"nonsense", b""):
        assert field_of(body, "id") is None


def test_a_token_has_no_room_for_another_header() -> None:
    assert is_token("abc.def-123")
    assert not any(is_token(bad) for bad in ("", "a b", "a\r\nEvil: 1", 7, None))


def test_an_audit_counts_the_copies_of_this_run_of_this_client() -> None:
    assert copies_of(b'{"numbers": [99, 100, 101, 101]}', "outside", 100) == {100: 1, 101: 2}
    owned = b'{"numbers": [{"client": "outside", "number": 100}, {"client": "pinned", "number": 101}, {"number": 102}]}'
    assert copies_of(owned, "outside", 100) == {100: 1, 102: 1}
    with pytest.raises(msgspec.DecodeError):
        copies_of(b'{"oops": []}', "outside", 0)
