from __future__ import annotations

import pytest

from taskmanagerpro import settings

GOOD = {
    "LISTEN_ADDRESS": "10.0.0.1",
    "LISTEN_PORT": "8000",
    "DATABASE_HOSTS": "10.0.0.2:5000, 10.0.0.3:5000",
    "DATABASE_NAME": "app",
    "DATABASE_USER": "app",
    "SESSION_HOSTS": "[::1]:6379",
    "SESSION_PASSFILE": "/secrets/redis",
    "INSTANCE": "app-1",
}


def test_addresses_keep_their_order() -> None:
    told = settings.read(GOOD)
    assert told.listen == ("10.0.0.1", 8000)
    assert told.database_hosts == (("10.0.0.2", 5000), ("10.0.0.3", 5000))
    assert told.session_hosts == (("::1", 6379),)
    assert (told.session_passfile, told.instance) == ("/secrets/redis", "app-1")


def test_it_listens_on_loopback_unless_told_otherwise() -> None:
    assert settings.read({**GOOD, "LISTEN_ADDRESS": ""}).listen == ("127.0.0.1", 8000)


def test_every_mistake_is_named_in_one_go() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.read({"LISTEN_PORT": "0", "DATABASE_HOSTS": "a:1,", "DATABASE_NAME": " "})
    for name in ("LISTEN_PORT", "DATABASE_HOSTS", "DATABASE_NAME", "DATABASE_USER", "SESSION_HOSTS"):
        assert name in str(caught.value)


@pytest.mark.parametrize("text", ["", "host", ":5000", "host:", "host:port", "host:0", "host:65536", "a:1,,b:2"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|int"):
        settings.addresses_of(text)
