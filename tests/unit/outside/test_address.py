from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bascule.kernel.errors import InputError
from bascule.outside.address import Address, Machine, parse
from bascule.outside.link import there


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pid:1234", Address(pid=1234)),
        ("unit:web.service", Address(unit="web.service")),
        ("unit:web@blue\\x2dgreen.service", Address(unit="web@blue\\x2dgreen.service")),
        ("user-unit:web.service", Address(unit="web.service", of_user=True)),
        ("ssh:db-1/pid:7", Address(machine=Machine(host="db-1"), pid=7)),
        (
            "ssh:me@10.0.0.7:2222/unit:a.service",
            Address(machine=Machine(host="10.0.0.7", user="me", port=2222), unit="a.service"),
        ),
        ("ssh:root@[fe80::1]:22/pid:7", Address(machine=Machine(host="[fe80::1]", user="root", port=22), pid=7)),
    ],
)  # fmt: skip
def test_a_target_is_read_and_written_as_it_was(text: str, meant: Address) -> None:
    assert parse(text) == meant
    assert str(meant) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "pid:", "pid:0", "pid:1", "pid:-1", "pid: 5", "pid:5\n", "1234", "unit:web", "unit:web.socket",
        "unit:*.service", "unit:--help.service", "unit:a b.service", "unit:a/b.service",
        "unit:systemd-journald.service", "unit:dbus.service", "unit:ssh.service", "user-unit:user@0.service",
        "ssh:db-1", "ssh:/pid:5", "ssh:-oProxyCommand=x/pid:5", "ssh:a b/pid:5", "ssh:me@/pid:5", "ssh:@db/pid:5",
        "ssh:db:0/pid:5", "ssh:db:65536/pid:5", "ssh:db:/pid:5", "ssh:-x@db/pid:5", "ssh:a@b@c/pid:5",
        "ssh:db\n/pid:5", "ssh:$(x)/pid:5", "ssh:db/ssh:db/pid:5", "ssh:fe80::1/pid:5",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


@given(some.text(alphabet="-oe@:/ ;$(){}'\"\\\n[]x1.", max_size=30))
def test_no_name_becomes_an_option_of_ssh(text: str) -> None:
    try:
        machine = parse(f"ssh:{text}/pid:5").machine
    except InputError:
        return
    assert machine is not None
    argv = there(machine, "run")
    assert argv[-3] == "--"
    assert not argv[-2].startswith("-")
    assert machine.user not in {"-", "--"}
    assert not machine.user.startswith("-")


def test_what_runs_on_another_machine_does_not_depend_on_its_name() -> None:
    commands = {there(Machine(host=host, user=user), "run")[-1] for host in ("a", "b") for user in ("", "root")}
    assert len(commands) == 1
