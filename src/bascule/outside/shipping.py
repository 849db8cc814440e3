"""The agent as one text that any Python 3.9 runs, wherever it is sent: nothing is installed there."""

from __future__ import annotations

import functools
from pathlib import Path

from bascule.outside import agent

_ORDER = ("refused", "table", "descriptors", "notes", "systemctl", "targets", "holding", "serve")
_OLDEST = (3, 9)
BOOTSTRAP = "import sys;exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())))"
"""What Python is told to run: it reads the length of the text, then the text. No shell gives any of it a meaning of its
own within single quotes, not even one that is not POSIX."""

_PREAMBLE = """\
import json, os, sys, types
if sys.version_info < {oldest} or not hasattr(os, "pidfd_open"):
    told = "python3 there is %s, and {least} on a kernel from 5.3 on is needed" % sys.version.split()[0]
    sys.stdout.write(json.dumps({{"error": told, "hint": ""}}) + "\\n")
    sys.exit(1)
def ship(name, text):
    module = types.ModuleType(name)
    sys.modules[name] = module
    above, _, last = name.rpartition(".")
    if above:
        setattr(sys.modules[above], last, module)
    if text is None:
        module.__path__ = []
    else:
        exec(compile(text, "<" + name + ">", "exec"), module.__dict__)
for name, text in {modules}:
    ship(name, text)
sys.exit(sys.modules[{last!r}].main())
"""


@functools.lru_cache(maxsize=1)
def parcel() -> bytes:
    """What follows on the standard input of a Python that was told `BOOTSTRAP`: length, line end, text."""
    package = agent.__name__
    folder = Path(agent.__path__[0])
    parts = package.split(".")
    modules: list[tuple[str, str | None]] = [(".".join(parts[: count + 1]), None) for count in range(len(parts))]
    modules += [(f"{package}.{name}", (folder / f"{name}.py").read_text(encoding="utf-8")) for name in _ORDER]
    text = _PREAMBLE.format(
        oldest=_OLDEST, least=".".join(map(str, _OLDEST)), modules=ascii(modules), last=modules[-1][0]
    ).encode("ascii")
    return b"%d\n%s" % (len(text), text)
