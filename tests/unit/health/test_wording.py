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
        ("amqp://app:hunt@er/2@queue/shop is away", "amqp://***@queue/shop is away"),
        ("host=db password=hunter2 user=app", "host=db password=*** user=app"),
        ("password='hunter 2' user=app", "password=*** user=app"),
        ("password='hunter 2, cut", "password=***"),
        ("x" * 40 + "_password=hunter2", "x" * 40 + "_password=***"),
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


@pytest.mark.parametrize("part", ["a.", "token.", "://", "password", "bearer ", "token='", "=", "://a@", "a-token-"])
def test_a_hostile_text_costs_no_more_than_another(part: str) -> None:
    """An expression that backtracked without a bound would not come back from these within this suite's time."""
    assert len(sayable(part * 100_000)) <= MOST_CHARACTERS


def test_an_error_is_told_with_its_kind() -> None:
    assert told(ConnectionError("no route")) == "ConnectionError: no route"
    assert told(TimeoutError()) == "TimeoutError"


def test_an_error_that_cannot_be_shown_is_told_all_the_same() -> None:
    class Broken(Exception):  # noqa: N818 - its name is what is seen
        def __str__(self) -> str:
            raise LookupError

    assert told(Broken()) == "Broken: (it cannot be shown)"
