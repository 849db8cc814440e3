"""What is up, who is primary, how many succeed, which phase: a drill while it runs, as a screen or as plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from msgspec import Struct
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bascule.drill.render_words import clean

Mode = Literal["screen", "lines", "off"]
LINE_EVERY_S = 5.0
MEMBERS_SHOWN = 20
EVENTS_SHOWN = 4
_BARS = "▁▂▃▄▅▆▇█"
_SPARK_CELLS = 40
_NAME_CELLS = 22


class LiveMember(Struct, frozen=True, kw_only=True):
    """One member as it answers now. `role` as in `Node`; `detail` is a few words."""

    name: str
    role: str
    up: bool
    detail: str = ""


class LiveEvent(Struct, frozen=True, kw_only=True):
    """Something that just happened, `at_s` seconds since the trial's start."""

    at_s: float
    text: str


class LiveState(Struct, frozen=True, kw_only=True):
    """All that the live view shows.

    Attributes:
        phase: Short and stable while it lasts: `bringing the system up`, `fault`, `recovering`, ...
        progress: How far the phase is: `9 of 17 members answer`.
        elapsed_s: Seconds since the drill's start.
        trial: Title of the trial; empty before the first one.
        trial_number, trials: From 1, and how many there will be.
        primary: Name of the primary; empty when nobody is.
        good_per_s, bad_per_s: Operations of each of the last seconds, oldest first, as many of each.
        events: The latest, oldest first.
        eta: When it will be over, in words; empty when nobody knows.
    """

    phase: str
    progress: str = ""
    elapsed_s: float = 0.0
    trial: str = ""
    trial_number: int = 0
    trials: int = 0
    members: tuple[LiveMember, ...] = ()
    primary: str = ""
    good_per_s: tuple[float, ...] = ()
    bad_per_s: tuple[float, ...] = ()
    events: tuple[LiveEvent, ...] = ()
    eta: str = ""


def frame(state: LiveState) -> RenderableType:
    """The screen for this state: under 24 rows of 80 columns with 20 members; nothing by colour alone. Pure."""
    blocks: list[RenderableType] = [_title(state), _phase(state)]
    if state.members:
        blocks += [Text(), _standing(state), _members(state.members)]
    if state.good_per_s or state.bad_per_s:
        blocks += [Text(), _success(state)]
    if state.events:
        blocks += [Text(), _events(state.events)]
    return Padding(Group(*blocks), (0, 1))


def line(state: LiveState) -> str:
    """The state as one line, for logs: `41.2 s  primary-kill 1/2  recovering  primary none  17/18 up  good 0/s`."""
    words = [f"{state.elapsed_s:6.1f} s"]
    if state.trial:
        words.append(f"{state.trial} {state.trial_number}/{state.trials}")
    words.append(": ".join(filter(None, (state.phase, state.progress))))
    if state.members:
        words += [f"primary {state.primary or 'none'}", f"{_up(state.members)}/{len(state.members)} up"]
    if state.good_per_s or state.bad_per_s:
        words.append(f"good {_latest(state.good_per_s):.0f}/s  bad {_latest(state.bad_per_s):.0f}/s")
    return clean("  ".join(words))


def due(previous: LiveState | None, state: LiveState, line_every_s: float = LINE_EVERY_S) -> bool:
    """Whether a log deserves a new line since the one for `previous`: another phase or trial, or enough time. Pure."""
    if previous is None:
        return True
    changed = (previous.phase, previous.trial_number) != (state.phase, state.trial_number)
    return changed or state.elapsed_s - previous.elapsed_s >= line_every_s


class LiveView:
    """Shows the latest state between `with` and its end: a screen on a terminal, lines elsewhere, or nothing.

    Args:
        console: Where to; standard error when none is given. On a terminal it gets a screen, else lines.
        enabled: False for `--json` and `--quiet`.
    """

    def __init__(self, console: Console | None = None, *, enabled: bool = True) -> None:
        self._console = console or Console(stderr=True)
        screen = self._console.is_terminal and not self._console.is_dumb_terminal
        self.mode: Mode = "off" if not enabled else "screen" if screen else "lines"
        self._live: Live | None = None
        self._written: LiveState | None = None
        self._events_said: set[LiveEvent] = set()

    def __enter__(self) -> Self:
        """Take the screen, if there is one to take."""
        if self.mode == "screen":
            self._live = Live(Text(), console=self._console, auto_refresh=False, transient=True)
            self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back as it was, however the drill ended."""
        if self._live is not None:
            self._live.__exit__(None, None, None)
            self._live = None

    def update(self, state: LiveState) -> None:
        """Show this state; call it a few times a second. In a log, only what is new is written."""
        if self._live is not None:
            self._live.update(frame(state), refresh=True)
        elif self.mode == "lines":
            self._write(state)

    def _write(self, state: LiveState) -> None:
        for event in state.events:
            if event not in self._events_said:
                self._events_said.add(event)
                self._print(f"          {clean(event.text)} (at {event.at_s:.2f} s)")
        if due(self._written, state):
            self._written = state
            self._print(line(state))

    def _print(self, words: str) -> None:
        self._console.print(words, markup=False, highlight=False, emoji=False, soft_wrap=True)


def sparkline(values: Sequence[float], top: float, cells: int = _SPARK_CELLS) -> str:
    """The last `cells` values as bars under a common `top`; anything above zero is seen, zero is a blank."""
    shown = values[-cells:]
    return "".join(" " if value <= 0 else _BARS[min(7, max(0, round(value / top * 8) - 1))] for value in shown).rjust(
        cells
    )


def _title(state: LiveState) -> Text:
    text = Text("bascule drill", style="bold")
    if state.trial:
        text.append(f"  trial {state.trial_number} of {state.trials}: {clean(state.trial)}")
    return text


def _phase(state: LiveState) -> Text:
    text = Text(f"{clean(state.phase)}", style="bold reverse")
    text.append(f"  {state.elapsed_s:.1f} s", style="not bold not reverse")
    for words in (state.progress, state.eta):
        if words:
            text.append(f"  ·  {clean(words)}", style="not bold not reverse")
    return text


def _standing(state: LiveState) -> Text:
    text = Text("primary ")
    text.append(clean(state.primary) or "nobody", style="bold green" if state.primary else "bold red")
    return text.append(f"   {_up(state.members)} of {len(state.members)} members up")


def _members(members: Sequence[LiveMember]) -> RenderableType:
    shown = sorted(members, key=lambda member: member.up)[:MEMBERS_SHOWN] if len(members) > MEMBERS_SHOWN else members
    cells = [_member(member) for member in shown]
    if len(members) > len(shown):
        cells.append(Text(f"and {len(members) - len(shown)} more", style="dim"))
    return Columns(cells, width=36, padding=(0, 1), column_first=True)


def _member(member: LiveMember) -> Text:
    sign, style = ("✕", "red") if not member.up else ("★", "bold green") if member.role == "primary" else ("●", "green")
    name, role = clean(member.name), clean(member.role)
    text = Text(f"{sign} ", style=style, no_wrap=True, overflow="ellipsis")
    text.append(
        name if len(name) <= _NAME_CELLS else name[: _NAME_CELLS - 1] + "…", style="bold" if sign == "★" else ""
    )
    said = " ".join(filter(None, (role if member.up else "down", clean(member.detail))))
    return text.append(f" {said}", style="dim not bold")


def _success(state: LiveState) -> Table:
    top = max([*state.good_per_s, *state.bad_per_s, 1.0])
    table = Table.grid(padding=(0, 1))
    for name, values, style in (("good", state.good_per_s, "green"), ("bad", state.bad_per_s, "red")):
        table.add_row(
            name, Text(sparkline(values, top), style=style), Text(f"{_latest(values):.0f}/s", justify="right")
        )
    return table


def _events(events: Sequence[LiveEvent]) -> Table:
    table = Table.grid(padding=(0, 1))
    for event in events[-EVENTS_SHOWN:]:
        words = Text(clean(event.text), no_wrap=True, overflow="ellipsis")
        table.add_row(Text(f"{event.at_s:8.2f} s", style="dim"), words)
    return table


def _up(members: Sequence[LiveMember]) -> int:
    return sum(member.up for member in members)


def _latest(values: Sequence[float]) -> float:
    return values[-1] if values else 0.0
