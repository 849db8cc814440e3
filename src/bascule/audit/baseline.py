"""Findings that were there before: kept in a file, they are counted and no longer told, until they are gone. Pure.

An entry is known by rule, file, object and the text of its line, so that it survives lines that move; see
`auditing.fingerprint`.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from bascule.audit.result import Audit, Gone
from bascule.audit.visible import visible
from bascule.kernel.errors import InputError

VERSION = 1
MAX_BYTES = 50 * 2**20


class Baseline(Struct, frozen=True, kw_only=True):
    """The file: what was found when it was written."""

    bascule_baseline: int
    entries: tuple[Gone, ...]


def encode(audit: Audit) -> bytes:
    """Everything that the audit found and that is not suppressed, as the text of a baseline file."""
    entries = {
        one.fingerprint: Gone(
            rule=one.rule, file=visible(one.place.file), subject=visible(one.subject), fingerprint=one.fingerprint
        )
        for one in (*audit.findings, *audit.known)
    }
    ordered = sorted(entries.values(), key=lambda one: (one.file, one.rule, one.subject, one.fingerprint))
    value = Baseline(bascule_baseline=VERSION, entries=tuple(ordered))
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def decode(content: bytes, name: str) -> Baseline:
    """The baseline in a file's content.

    Raises:
        InputError: It is none, or one of another version.
    """
    hint = f"bascule audit ... --write-baseline {name}"
    try:
        baseline = msgspec.json.decode(content, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"this is no baseline: {error}", where=name, hint=hint) from None
    if baseline.bascule_baseline != VERSION:
        raise InputError(f"a baseline of version {baseline.bascule_baseline}, not {VERSION}", where=name, hint=hint)
    return baseline


def apply(audit: Audit, baseline: Baseline) -> Audit:
    """The audit without what the baseline has; entries of rules that were asked and that match nothing are gone."""
    entries = {one.fingerprint: one for one in baseline.entries}
    known = tuple(replace(one, known=True) for one in audit.findings if one.fingerprint in entries)
    matched = {one.fingerprint for one in (*known, *audit.suppressed)}
    gone = tuple(one for one in entries.values() if one.fingerprint not in matched and one.rule in audit.rules)
    findings = tuple(one for one in audit.findings if one.fingerprint not in entries)
    return replace(audit, findings=findings, known=known, gone=gone)
