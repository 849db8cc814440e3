from __future__ import annotations

from io import StringIO

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from rich.console import Console

from bascule.drill.live import LiveEvent, LiveMember, LiveState, LiveView, due, frame, line, sparkline

STATE = LiveState(
    phase="recovering",
    progress="waiting for a stable window",
    elapsed_s=41.23,
    trial="primary-kill",
    trial_number=2,
    trials=3,
    members=tuple(
        LiveMember(
            name=f"member-{n}", role="primary" if n == 3 else "peer", up=n != 7, detail="streaming, timeline 2, no lag"
        )
        for n in range(20)
    ),
    primary="member-3",
    good_per_s=(200.0, 200.0, 3.0),
    bad_per_s=(0.0, 0.0, 197.0),
    events=tuple(LiveEvent(at_s=float(n), text=f"event {n} " + "long " * 40) for n in range(9)),
    eta="about 40 s left",
)


def drawn(state: LiveState, width: int) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, no_color=True).print(frame(state))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100])
def test_a_frame_fits_a_small_terminal_and_shows_what_matters(width: int) -> None:
    lines = drawn(STATE, width)
    text = "\n".join(lines)
    assert len(lines) < 24
    assert max(cell_len(one) for one in lines) <= width
    for words in (
        "trial 2 of 3: primary-kill", "recovering", "41.2 s", "waiting for a stable window", "primary member-3",
        "19 of 20 members up", "★ member-3 primary", "✕ member-7 down", "3/s", "197/s", "event 8", "about 40 s left",
    ):  # fmt: skip
        assert words in text, words


def test_with_too_many_members_those_that_are_down_are_shown_first() -> None:
    many = tuple(LiveMember(name=f"m{n}", role="peer", up=n != 59) for n in range(60))
    lines = drawn(replace(STATE, members=many), 80)
    assert len(lines) < 25
    assert any("✕ m59 down" in one for one in lines)
    assert any("and 40 more" in one for one in lines)


def test_a_frame_for_a_system_that_is_not_there_yet() -> None:
    assert drawn(LiveState(phase="finding programs"), 80)[1].split() == ["finding", "programs", "0.0", "s"]


def test_nobody_is_primary_is_said() -> None:
    assert any("primary nobody" in one for one in drawn(replace(STATE, primary=""), 80))


def test_a_spark_is_never_hidden() -> None:
    assert sparkline((0.0, 1.0, 500.0, 1000.0), 1000.0, cells=5) == "  ▁▄█"


def test_a_line_for_a_log() -> None:
    assert line(STATE) == (
        "  41.2 s  primary-kill 2/3  recovering: waiting for a stable window  primary member-3  19/20 up  "
        "good 3/s  bad 197/s"
    )


def test_a_log_gets_a_line_for_a_phase_and_every_five_seconds() -> None:
    assert due(None, STATE)
    assert not due(STATE, replace(STATE, elapsed_s=STATE.elapsed_s + 4.9, progress="other"))
    assert due(STATE, replace(STATE, elapsed_s=STATE.elapsed_s + 5.0))
    assert due(STATE, replace(STATE, phase="healing"))
    assert due(STATE, replace(STATE, trial_number=3))


def view_of(*states: LiveState, terminal: bool = False, enabled: bool = True) -> str:
    out = StringIO()
    with LiveView(Console(file=out, width=80, force_terminal=terminal, legacy_windows=False), enabled=enabled) as view:
        for state in states:
            view.update(state)
    return out.getvalue()


def test_outside_a_terminal_only_what_is_new_is_written() -> None:
    state = replace(STATE, events=(LiveEvent(at_s=1.0, text="[red]killed\x1b[2J"),))
    text = view_of(state, state, replace(state, phase="healing"))
    assert "\x1b" not in text
    assert [one.split()[0] for one in text.splitlines()] == ["[red]killed", "41.2", "41.2"]


def test_off_writes_nothing() -> None:
    assert view_of(STATE, enabled=False) == ""


def test_on_a_terminal_the_screen_is_given_back() -> None:
    text = view_of(STATE, terminal=True)
    assert "member-3" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


def test_a_terminal_is_given_back_after_a_failure() -> None:
    out = StringIO()
    view = LiveView(Console(file=out, force_terminal=True, width=80))

    def stopped() -> None:
        with view:
            view.update(STATE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert "\x1b[?25h" in out.getvalue()
