"""Results go to standard output, complaints to standard error, and text is taken literally."""

from __future__ import annotations

import json
import math

import pytest

from bascule.cli.output import emit, print_json, terminal
from bascule.kernel.quantities import Duration

Capture = pytest.CaptureFixture[str]


def test_json_has_quantities_as_a_person_writes_them_and_no_infinities(capsys: Capture) -> None:
    print_json({"rto": Duration(30.0), "never": math.inf, "name": "é"})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"rto": "30s", "never": None, "name": "é"}
    assert shown.endswith("}\n")


def test_a_result_is_json_or_text(capsys: Capture) -> None:
    emit({"a": 1}, as_json=True, text="one")
    emit({"a": 1}, as_json=False, text="one")
    assert capsys.readouterr().out == '{\n  "a": 1\n}\none\n'


def test_consoles_take_text_literally(capsys: Capture) -> None:
    terminal(out=True).print("[bold]:smile: [/x]")
    terminal().print("careful")
    shown = capsys.readouterr()
    assert shown.out == "[bold]:smile: [/x]\n"
    assert shown.err == "careful\n"
