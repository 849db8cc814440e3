"""What an error may say to whoever asks a probe."""

from __future__ import annotations

import pytest

from bascule.health.wording import MOST_CHARACTERS, sayable, told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain words stay", "plain words stay"),
        ("two\nlines\tand\x00more\x1b[31m", "two lines and more [31m"),
        ("postgresql://app:hunter2@db:5432/app is away", "postgresql://***@db:5432/app is away"),
        ("redis://:hunter2@cache", "redis://***@cache"),
        ("host=db password=hunter2 user=app", "host=db password=*** user=app"),
        ("password='hunter 2' user=app", "password=*** user=app"),
        ('{"api_key": "hunter2", "a": 1}', '{"api_key": ***, "a": 1}'),
        ("PGPASSWORD=hunter2 is wrong", "PGPASSWORD=*** is wrong"),
        ("client_secret: hunter2, next", "client_secret: ***, next"),
        ("Authorization: Bearer hunter2hunter2 was refused", "Authorization: *** was refused"),
        ("sent Bearer hunter2hunter2", "sent Bearer ***"),
        ('password authentication failed for user "app"', 'password authentication failed for user "app"'),
    ],
)
def test_one_line_without_secrets(text: str, said: str) -> None:
    assert sayable(text) == said


def test_its_length_is_bounded() -> None:
    assert sayable("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS
    assert sayable("x" * 1_000_000) == "x" * (MOST_CHARACTERS - 1) + "…"


def test_an_error_is_told_with_its_kind() -> None:
    assert told(ConnectionError("no route")) == "ConnectionError: no route"
    assert told(TimeoutError()) == "TimeoutError"
