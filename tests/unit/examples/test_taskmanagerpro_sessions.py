from __future__ import annotations

from taskmanagerpro.sessions import Remembered

from taskmanagerpro import sessions


def test_a_session_is_remembered_for_a_while() -> None:
    remembered = Remembered()
    remembered.put("key", "ada", 100.0)
    assert remembered.get("key", 104.9, within_s=5.0) == "ada"
    assert remembered.get("key", 105.0, within_s=5.0) is None
    assert remembered.get("other", 100.0, within_s=5.0) is None


def test_what_was_not_seen_for_longest_makes_room() -> None:
    remembered = Remembered()
    for number in range(sessions.REMEMBERED):
        remembered.put(str(number), "ada", 0.0)
    remembered.put("0", "ada", 1.0)
    remembered.put("one more", "ada", 1.0)
    assert remembered.get("0", 1.0, within_s=5.0) == "ada"
    assert remembered.get("1", 1.0, within_s=5.0) is None


def test_the_store_learns_no_token() -> None:
    assert "secret" not in sessions.key_of("secret")
    assert sessions.key_of("secret") != sessions.key_of("Secret")
