"""Findings mended in the text: edits that keep comments and layout, all of a finding's or none of them. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from bascule.audit.estate import SourceFile
from bascule.audit.finding import Edit
from bascule.audit.result import Finding

_LINE_END = re.compile(r"\r\n|\n|\r")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")


class Mended(Struct, frozen=True, kw_only=True):
    """One file before and after.

    Attributes:
        findings: What the change mends.
    """

    name: str
    before: str
    after: str
    findings: tuple[Finding, ...]


class Plan(Struct, frozen=True, kw_only=True):
    """What a fix would write, and what it leaves alone.

    Attributes:
        refused: Findings with edits that are not applied, each with the reason.
    """

    files: tuple[Mended, ...]
    refused: tuple[tuple[Finding, str], ...]


def plan(findings: Sequence[Finding], files: dict[str, SourceFile], problems: Callable[[SourceFile], int]) -> Plan:
    """What the texts become.

    Args:
        findings: In the order in which they are mended: of two whose edits overlap, the first wins.
        files: What was read; a finding whose edits lie in other files is refused.
        problems: How much of a text cannot be read. Where it is more after the edits, nothing is changed.
    """
    chosen: dict[str, list[tuple[int, int, str]]] = {}
    taken: list[Finding] = []
    refused: list[tuple[Finding, str]] = []
    offsets = {name: _line_offsets(files[name].text) for name in _touched(findings) if name in files}
    for finding in findings:
        if not finding.edits:
            continue
        spans = {(one.place.file, *span): one for one in finding.edits if (span := _span(one, offsets, files))}
        reason = _refusal(finding, spans, chosen)
        if reason:
            refused.append((finding, reason))
            continue
        taken.append(finding)
        for (name, start, end), edit in spans.items():
            if (start, end, edit.text) not in chosen.setdefault(name, []):
                chosen[name].append((start, end, edit.text))
    return _checked(chosen, taken, files, refused, problems)


def _checked(
    chosen: dict[str, list[tuple[int, int, str]]],
    taken: list[Finding],
    files: dict[str, SourceFile],
    refused: list[tuple[Finding, str]],
    problems: Callable[[SourceFile], int],
) -> Plan:
    """The plan; findings whose files could not be read afterwards are refused, with everything else in these files."""
    after = {name: _applied(files[name].text, edits) for name, edits in chosen.items()}
    broken = {name for name, text in after.items() if problems(_changed(files[name], text)) > problems(files[name])}
    while True:
        spoiled = [one for one in taken if not broken.isdisjoint(_touched([one]))]
        if not spoiled:
            break
        refused += [(one, "the file could not be read afterwards") for one in spoiled]
        taken = [one for one in taken if one not in spoiled]
        broken |= {name for one in spoiled for name in _touched([one])}
    mended = [
        Mended(name=name, before=files[name].text, after=text, findings=tuple(_of_file(taken, name)))
        for name, text in sorted(after.items())
        if name not in broken and text != files[name].text
    ]
    return Plan(files=tuple(mended), refused=tuple(refused))


def diff(mended: Mended) -> str:
    """A unified diff of one file, as `patch` takes it."""
    before, after = (_LINE.findall(text) for text in (mended.before, mended.after))
    lines = difflib.unified_diff(before, after, f"a/{mended.name}", f"b/{mended.name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _changed(file: SourceFile, text: str) -> SourceFile:
    return SourceFile(file.name, text, tuple(_LINE_END.split(text)), file.named)


def _touched(findings: Iterable[Finding]) -> set[str]:
    return {edit.place.file for finding in findings for edit in finding.edits}


def _of_file(findings: Iterable[Finding], name: str) -> list[Finding]:
    return [one for one in findings if name in _touched([one])]


def _line_offsets(text: str) -> list[int]:
    return [0, *(end.end() for end in _LINE_END.finditer(text))]


def _span(edit: Edit, offsets: dict[str, list[int]], files: dict[str, SourceFile]) -> tuple[int, int] | None:
    """Start and end of an edit in its text; None where it lies outside of it."""
    place = edit.place
    starts, file = offsets.get(place.file), files.get(place.file)
    if starts is None or file is None or not 0 < place.line <= place.end_line <= len(starts):
        return None
    if not (0 < place.column <= len(file.lines[place.line - 1]) + 1):
        return None
    if not (0 < place.end_column <= len(file.lines[place.end_line - 1]) + 1):
        return None
    start, end = starts[place.line - 1] + place.column - 1, starts[place.end_line - 1] + place.end_column - 1
    return (start, end) if start <= end else None


def _refusal(
    finding: Finding,
    spans: dict[tuple[str, int, int], Edit],
    chosen: dict[str, list[tuple[int, int, str]]],
) -> str:
    """Why a finding's edits are not applied; empty when they are."""
    if len(spans) != len(finding.edits):
        return "an edit lies outside of what was read, or two are at the same place"
    own = [(name, start, end, edit.text) for (name, start, end), edit in spans.items()]
    for index, (name, start, end, text) in enumerate(own):
        others = [(a, b, c) for other, a, b, c in own[:index] if other == name]
        for a, b, c in (*chosen.get(name, ()), *others):
            same = (a, b, c) == (start, end, text)
            if not same and ((start < b and a < end) or start == a):
                return "its edits overlap with those of another finding"
    return ""


def _applied(text: str, edits: list[tuple[int, int, str]]) -> str:
    line_end = "\r\n" if "\r\n" in text else "\n"
    for start, end, replacement in sorted(edits, reverse=True):
        written = replacement.replace("\r\n", "\n").replace("\n", line_end)
        text = text[:start] + written + text[end:]
    return text
