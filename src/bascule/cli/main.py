"""The `bascule` command: its sub-commands, and what becomes of errors.

Exit codes, stable: 0 done or PASS; 1 FAIL, or a finding; 2 INVALID, or the input or this machine cannot be used;
3 ABORTED, stopped before the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

try:
    import cyclopts
    from cyclopts import App
except ModuleNotFoundError as missing:  # pragma: no cover - the bare package is the library alone
    raise SystemExit(f"bascule: the command line needs {missing.name}: install bascule[cli] or bascule[lab]") from None

from bascule import __version__
from bascule.audit.visible import visible
from bascule.cli.examples import examples
from bascule.cli.output import print_json
from bascule.kernel.errors import AbortedError, BasculeError, InputError, MachineError, MissingProgramError
from bascule.system.problems import MAX_PRINTED, SystemFileError, did_you_mean

MOST_TOLD = 20_000
"""Characters of one line of an error: nobody reads more."""
HELP = frozenset({"--help", "-h"})
COMMANDS = {
    "init": ("bascule.cli.system:init", "Write a commented system file to start from."),
    "system": ("bascule.cli.system:app", "Check and show a system file."),
    "audit": ("bascule.cli.audit:audit", "Say what in configuration files contradicts high availability."),
    "engines": ("bascule.cli.engines:engines", "List the real programs: found or not, version, and where from."),
    "predict": ("bascule.cli.predict:predict", "How available a system can be, what breaks it, what would help most."),
    "lab": ("bascule.cli.lab:app", "Run a system on this machine: real programs, as real hosts."),
    "drill": ("bascule.cli.drill:drill", "Run a system, break it on purpose, and judge it."),
    "check": ("bascule.cli.check:check", "Judge a saved history again: lost, doubled, stale, split, out of order."),
    "nines": ("bascule.cli.nines:nines", "Availability, nines and downtime: series, parallel, k of n, MTBF and MTTR."),
    "report": ("bascule.cli.report:app", "What earlier drills say: compare two; write one as a journal."),
    "agent": ("bascule.cli.agent:app", "Take part in a cluster: hold leases, and have addresses and services follow."),
    "cluster": ("bascule.cli.cluster:app", "Who is in charge: look, hand over, pause, fence."),
    "fault": ("bascule.cli.fault:app", "Every fault: what it does, how it is seen to act, and how it is undone."),
    "proxy": ("bascule.cli.proxy:app", "A TCP proxy that breaks the way to a server which is not in a lab."),
    "chaos": ("bascule.cli.chaos:app", "Inject one fault by hand; undo what an ended drill may have left behind."),
    "gameday": ("bascule.cli.gameday:app", "Drills on a calendar: when, what came of them, and whether it gets worse."),
}
"""Where each command is, imported only when it runs, and what the list of commands says about it."""


def command_line(*, listing: bool = False) -> App:
    """The commands as cyclopts knows them.

    Args:
        listing: For the list of commands: their lines there come from `COMMANDS`, so that none has to be imported.
    """
    app = App(
        name="bascule",
        help="High availability that is proved, not hoped for.",
        version=__version__,
        default_parameter=cyclopts.Parameter(negative=()),
        suppress_keyboard_interrupt=False,
    )
    for name, (path, line) in COMMANDS.items():
        app.command(path, name=name, **({"help": line} if listing else {}))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one message on standard error, never a traceback.

    `--debug` anywhere before `--` shows the traceback instead. With `--json`, an error is also one JSON object on
    standard output.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    ours = words[: words.index("--")] if "--" in words else words
    debug = "--debug" in ours
    words = [word for word in ours if word != "--debug"] + words[len(ours) :]
    try:
        return _run(words, wants_help=not HELP.isdisjoint(ours))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        return _fail(_told(error), as_json="--json" in ours)


def _run(words: list[str], *, wants_help: bool) -> int:
    named = [word for word in words if word not in HELP]
    app = command_line(listing=not named)
    try:
        result = app(words, exit_on_error=False, print_error=False, verbose=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        raise _usage(app, error, words) from error
    if wants_help or not words:
        sys.stdout.write(examples(app, named))
    return result if isinstance(result, int) else 0


def _usage(app: App, error: cyclopts.CycloptsError, words: list[str]) -> InputError:
    """What is wrong with the command line, in one line."""
    chain, apps, _ = app.parse_commands(words)
    command = " ".join(chain)
    if isinstance(error, cyclopts.UnknownCommandError):
        known = [name for name in apps[-1] if not name.startswith("-")]
        word = (error.unused_tokens or ["?"])[0]
        return InputError(f"unknown command {word!r}", where=command, hint=did_you_mean(word, known))
    what = " ".join(str(error).split()).rstrip(".").removeprefix(f'Command "{command}" ')
    return InputError(what, where=command, hint=f"see bascule {command} --help")


def _told(error: BaseException) -> BasculeError:
    """The error as one that is meant for the user."""
    if isinstance(error, BasculeError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return AbortedError("stopped")
    cause = error.__cause__ if isinstance(error.__cause__, ModuleNotFoundError) else error
    if isinstance(cause, ModuleNotFoundError) and not str(cause.name).startswith("bascule"):
        return MissingProgramError(f"the Python package {cause.name} is missing", hint="install bascule[lab]")
    if isinstance(error, OSError):
        return MachineError(error.strerror or str(error), where=str(error.filename or ""))
    what = f"a fault of bascule itself: {type(error).__name__}: {error}"
    return BasculeError(what, hint="the same command with --debug shows where")


def _fail(error: BasculeError, *, as_json: bool) -> int:
    problems = error.problems if isinstance(error, SystemFileError) else ()
    if as_json:
        told = {"error": error.what, "where": error.where, "hint": error.hint, "exit_code": error.exit_code}
        print_json({**told, "problems": problems} if problems else told)
    prefix = "" if problems else "bascule: "
    sys.stderr.write(f"{prefix}{_plain(error)}\n")
    return error.exit_code


def _plain(error: BasculeError) -> str:
    """The error as text in which nothing moves a cursor: names of files are hostile, line ends of our own are kept."""
    if isinstance(error, SystemFileError):
        lines = [str(one) for one in error.problems[:MAX_PRINTED]]
        more = len(error.problems) - len(lines)
        return "\n".join(visible(line, most=MOST_TOLD) for line in [*lines, *([f"and {more} more"] if more else [])])
    if type(error).__str__ is not BasculeError.__str__:
        return _by_line(str(error))
    told = BasculeError(_by_line(error.what), where=visible(error.where), hint=_by_line(error.hint))
    return str(told)


def _by_line(text: str) -> str:
    return "\n".join(visible(line, most=MOST_TOLD) for line in text.split("\n"))
