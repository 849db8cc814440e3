"""What goes over the control socket arrives as what it was."""

import msgspec
import pytest

from bascule.kernel.errors import BasculeError, LabError, MachineError
from bascule.lab import isolation
from bascule.lab import protocol as say


def test_a_request_is_known_by_what_it_does() -> None:
    request = say.Kill(member="database-1", command="postgres")
    text = say.line(request)
    assert text.endswith(b"}\n")
    assert text.count(b"\n") == 1
    assert msgspec.json.decode(text, type=say.Requests) == request


def test_unknown_fields_and_acts_are_refused() -> None:
    for text in (b'{"do":"kill","member":"a","how":"gently"}', b'{"do":"dance"}', b"[]", b"{"):
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(text, type=say.Requests)


@pytest.mark.parametrize(
    "error",
    [
        LabError("it broke", where="lab.json", hint="mend it"),
        MachineError("no room"),
        ConnectionRefusedError("refused"),
        say.NoAnswerError("silence"),
    ],
)
def test_an_error_arrives_as_the_same_kind_with_the_same_words(error: Exception) -> None:
    arrived = say.Failure.of(error).error()
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)


def test_an_unknown_failure_points_to_the_supervisors_log() -> None:
    arrived = say.Failure.of(ZeroDivisionError("division by zero")).error()
    assert isinstance(arrived, BasculeError)
    assert "ZeroDivisionError: division by zero" in str(arrived)
    assert "supervisor.log" in str(arrived)


def test_a_missing_answer_is_both_a_lost_connection_and_a_timeout() -> None:
    assert issubclass(say.NoAnswerError, ConnectionError)
    assert issubclass(say.NoAnswerError, TimeoutError)


def test_root_and_nobody_become_an_ordinary_user_inside() -> None:
    assert isolation.inner_id(0) == 1000
    assert isolation.inner_id(65534) == 1000
    assert isolation.inner_id(1001) == 1001


def test_a_refusal_of_the_kernel_is_put_into_words() -> None:
    assert "forbids user namespaces" in isolation.reason(PermissionError(1, "Operation not permitted"))
    assert "no user namespace is left" in isolation.reason(OSError(28, "No space left on device"))
    assert "lacks a kind of namespace" in isolation.reason(OSError(22, "Invalid argument"))
    assert "cannot be made here" in isolation.reason(OSError(5, "Input/output error"))
