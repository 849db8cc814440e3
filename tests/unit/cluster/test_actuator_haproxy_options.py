"""What HAProxy says is read with care, and what it is told holds no more than one order."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.cluster.actuators import control_socket, haproxy
from bascule.cluster.actuators.port import Term
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

COLUMNS = "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_port"
TERM = Term(cluster="east", group="edge", agent="a", token=1, until_s=0.0)


def states(*rows: str) -> str:
    return "1\n# " + COLUMNS + "\n" + "".join(f"{row}\n" for row in rows) + "\n"


def test_states_are_read_by_the_names_of_their_columns() -> None:
    found = haproxy.parse_states(states("3 web 1 a 10.0.0.1 2 4 1 1 80", "3 web 2 b fd00::1 0 5 1 1 81"))
    assert found["web/a"].address == ("10.0.0.1", "80")
    assert found["web/a"].is_serving
    assert not found["web/a"].is_in_maint
    assert found["web/b"].is_in_maint
    assert not found["web/b"].is_ready


@pytest.mark.parametrize("bits", [0x01, 0x02, 0x08, 0x10, 0x20, 0x40, 0x09])
def test_whatever_keeps_a_server_from_serving_is_seen(bits: int) -> None:
    assert not haproxy.parse_states(states(f"3 web 1 a 10.0.0.1 2 {bits} 1 1 80"))["web/a"].is_ready


@pytest.mark.parametrize("operational", [0, 3])
def test_a_server_that_is_down_is_not_serving(operational: int) -> None:
    state = haproxy.parse_states(states(f"3 web 1 a 10.0.0.1 {operational} 0 1 1 80"))["web/a"]
    assert state.is_ready
    assert not state.is_serving


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "2\n# be_name srv_name\n",
        "Unknown command: show\n",
        "1\n",
        states("3 web"),
        states("3 w 1 a x y z 1 1 80"),
    ],
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, the caller quotes it
        haproxy.parse_states(text)


@given(st.text(max_size=300))
def test_any_text_is_states_or_refused(text: str) -> None:
    try:
        haproxy.parse_states(states(text))
    except ValueError:
        return


def options(**changes: object) -> haproxy.Options:
    whole = haproxy.Options(socket="/run/h.sock", servers=("web/mine",), timeout=Duration(5.0))
    return msgspec.structs.replace(whole, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"servers": ()},
        {"servers": ("web",)},
        {"servers": ("web/a;disable frontend web",)},
        {"servers": ("web/a\nweb/b",)},
        {"servers": ("web/a b",)},
        {"servers": tuple(f"web/{number}" for number in range(65))},
        {"others": ("web/",)},
        {"others": ("web/mine",)},
        {"timeout": Duration(0)},
        {"drain": Duration(3601)},
        {"up_within": Duration(601)},
        {"address": "example:80"},
        {"address": "10.0.0.1"},
        {"address": "10.0.0.1:0"},
        {"address": "10.0.0.1:65536"},
        {"socket": "10.0.0.1:9999"},
        {"socket": "0.0.0.0:9999"},
        {"socket": "relative.sock"},
        {"socket": "/" + "x" * 200},
        {"socket": "127.0.0.1:99999999999999999999"},
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start(changes: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        haproxy.make(options(**changes))
    assert refused.value.where


@pytest.mark.parametrize("text", ["127.0.0.1:9999", "[::1]:9999", "/run/haproxy/admin.sock"])
def test_places_of_this_machine_are_taken(text: str) -> None:
    assert control_socket.place_of(text, daemon="HAProxy", hint="x").text == text


@contextmanager
def answering(*answers: bytes | None) -> Iterator[str]:
    """A port that gives each connection the next answer; None: without end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    try:
                        while answer is None:
                            connection.sendall(b"x" * 65536)
                        connection.sendall(answer)
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("answer", [b"", b"\xff\xfe\x00", b"1\n# x\nnothing here\n", None])
def test_garbage_from_the_socket_is_an_actuators_error(answer: bytes | None) -> None:
    with answering(answer, answer) as place:
        actuator = haproxy.make(options(socket=place))
        with pytest.raises(ActuatorError) as raised:
            asyncio.run(actuator.promote(TERM))
        assert raised.value.where == place
        assert asyncio.run(actuator.look()) == "unknown"
