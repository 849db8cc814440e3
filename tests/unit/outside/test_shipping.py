from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from bascule.outside import agent, link, shipping

SOURCES = sorted(Path(agent.__path__[0]).glob("*.py"))


def test_the_agent_is_written_for_python_3_9() -> None:
    for path in SOURCES:
        ast.parse(path.read_text(), str(path), feature_version=(3, 9))


def test_the_agent_needs_nothing_but_the_standard_library_and_itself() -> None:
    package = agent.__name__
    for path in SOURCES:
        for name in re.findall(r"^\s*(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE):
            is_own = f"{name}.".startswith(f"{package}.")
            assert is_own or name.split(".")[0] in {*sys.stdlib_module_names, "__future__"}, name


def test_every_module_of_the_agent_is_shipped() -> None:
    text = shipping.parcel().decode()
    for path in SOURCES:
        assert path.stem == "__init__" or f"{agent.__name__}.{path.stem}" in text, path


def test_an_old_python_is_told_so_and_not_tried() -> None:
    """Any Python reads what comes first: it says what it is, in the agent's own words."""
    head, _, text = shipping.parcel().partition(b"\n")
    assert int(head) == len(text)
    old = text.replace(b"sys.version_info < (3, 9)", b"sys.version_info < (9, 9)")
    parcel = b"%d\n%s" % (len(old), old)
    done = subprocess.run(link.here("old"), input=parcel, capture_output=True, check=False, timeout=60)
    assert b"3.9 on a kernel from 5.3 on is needed" in done.stdout
