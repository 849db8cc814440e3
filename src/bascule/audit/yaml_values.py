"""What a plain YAML scalar means by YAML 1.2's core schema. Pure.

`yes`, `no`, `on` and `off` are text here, as in YAML 1.2; parsers of YAML 1.1 take them for booleans, and a rule for
which that matters looks at the scalar's text.
"""

from __future__ import annotations

import math
import re

from bascule.audit.tree import Value

_CANDIDATES = frozenset("0123456789-+.nNtTfF~")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", "")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]{1,40}")
_OTHER_BASE = re.compile(r"0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}")
_FLOAT = re.compile(r"(?=.*[.eE])[-+]?(\.[0-9]{1,400}|[0-9]{1,400}(\.[0-9]{0,400})?)([eE][-+]?[0-9]{1,4})?")
_TAG = "tag:yaml.org,2002:"


def plain_value(text: str) -> Value:
    """What a scalar without quotes means.

    Numbers of more than 40 digits, and numbers that are not finite, stay text: no rule can reckon with them.

    Source: YAML 1.2.2, section 10.3.2.
    """
    if text and text[0] not in _CANDIDATES:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def tagged_value(text: str, tag: str, *, plain: bool) -> Value:
    """What a scalar with a tag means: `!!str 1` is text, `!!int "1"` a number, and of unknown tags the text counts."""
    kind = tag.removeprefix(_TAG)
    if kind in {"int", "float", "bool", "null"}:
        return plain_value(text)
    return plain_value(text) if kind == "!" and plain and not text else text
