"""The `bascule` command: its sub-commands, and what becomes of errors.

Exit codes, stable: 0 done or PASS; 1 FAIL, or a finding; 2 INVALID, or the input or this machine cannot be used;
3 ABORTED, stopped before the end.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import cyclopts
from cyclopts import App

from bascule import __version__
from bascule.kernel.errors import BasculeError

app = App(
    name="bascule",
    help="High availability that is proved, not hoped for.",
    version=__version__,
    default_parameter=cyclopts.Parameter(negative=()),
)
app.command("bascule.cli.system:init", name="init")
app.command("bascule.cli.system:app", name="system")
app.command("bascule.cli.engines:engines", name="engines")
app.command("bascule.cli.lab:app", name="lab")
app.command("bascule.cli.drill:drill", name="drill")
app.command("bascule.cli.chaos:app", name="chaos")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; an error is one message on standard error, never a traceback.

    `--debug` anywhere on the line shows the traceback instead. With `--json`, an error is one JSON object on standard output.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    as_json = "--json" in words
    words = [word for word in words if word != "--debug"]
    try:
        result = app(words, exit_on_error=False, print_error=True, result_action="return_value")
    except cyclopts.CycloptsError:
        return 2
    except KeyboardInterrupt:
        return _fail("stopped", 3, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BasculeError as error:
        if debug:
            raise
        return _fail(str(error), error.exit_code, as_json=as_json)
    return result if isinstance(result, int) else 0


def _fail(message: str, exit_code: int, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"error": message, "exit_code": exit_code}) + "\n")
    sys.stderr.write(f"bascule: {message}\n")
    return exit_code
