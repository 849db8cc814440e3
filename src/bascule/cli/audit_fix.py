"""`bascule audit --fix`: show what would change, ask, and write each file whole or not at all."""

from __future__ import annotations

import codecs
import os
import sys
from pathlib import Path

from rich.text import Text

from bascule.audit import fixing, reading, technologies
from bascule.audit.estate import Estate
from bascule.audit.finding_files import STANDARD_INPUT
from bascule.audit.fixing import Mended, Plan
from bascule.audit.result import Audit
from bascule.audit.visible import counted, visible
from bascule.cli.output import terminal
from bascule.kernel.errors import InputError
from bascule.lab.files import write_atomically

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def mend(audit: Audit, estate: Estate, *, dry_run: bool, yes: bool) -> bool:
    """Show the changes, and write them when that is wanted; whether anything was written.

    Raises:
        InputError: Nobody can be asked, or a file cannot be written.
    """
    files = {name: file for name, file in estate.files.items() if name != STANDARD_INPUT}
    readers = technologies.readers()
    plan = fixing.plan(audit.findings, files, lambda file: reading.problems(file, readers))
    _show(plan)
    if dry_run or not plan.files:
        return False
    if not yes and not _agreed(plan):
        return False
    for mended in plan.files:
        _write(mended)
    return True


def _show(plan: Plan) -> None:
    console = terminal()
    for mended in plan.files:
        for line in fixing.diff(mended).splitlines():
            console.print(Text(visible(line), style=_STYLES.get(line[:1], "")), soft_wrap=True)
    for finding, reason in plan.refused:
        console.print(Text(visible(f"{finding.place}: {finding.rule} is not mended: {reason}"), style="yellow"))
    mends = {finding.fingerprint for mended in plan.files for finding in mended.findings}
    console.print(Text(f"{counted(len(mends), 'finding')} can be mended in {counted(len(plan.files), 'file')}"))


def _agreed(plan: Plan) -> bool:
    if not sys.stdin.isatty():
        raise InputError("--fix asks before it writes, and nobody is there", hint="add --yes, or --dry-run to look")
    sys.stderr.write(f"Write {counted(len(plan.files), 'file')}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _write(mended: Mended) -> None:
    path = Path(mended.name).resolve()
    try:
        before = path.read_bytes()
        mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
        if before != mark + mended.before.encode("utf-8", "surrogatepass"):
            raise InputError("it changed since it was read, or is no UTF-8: nothing is written", where=mended.name)
        mode = path.stat().st_mode & 0o7777
        write_atomically(path, mark + mended.after.encode("utf-8", "surrogatepass"), mode)
        os.chmod(path, mode)  # noqa: PTH101 - what the umask took away from the mode at creation
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=mended.name) from None
