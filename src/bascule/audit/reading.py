"""Files and standard input into an `Estate`: read in a bounded way, and each shown to the readers of technologies."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bascule.audit import yaml_reader
from bascule.audit.estate import Estate, Reader, SourceFile, Unreadable, YamlDocument
from bascule.audit.finding_files import JSON, STANDARD_INPUT, TEXT, YAML, Candidate, Search
from bascule.audit.limits import Limits
from bascule.audit.place import Place
from bascule.audit.tree import at
from bascule.kernel.errors import InputError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BINARY_WITHIN = 8192


@dataclass(slots=True)
class Reading:
    """What was read, and what people should know about how.

    Attributes:
        unknown: Files that no technology claimed a part of.
        notes: What was left out, and why.
    """

    estate: Estate = field(default_factory=Estate)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(
    paths: Sequence[str], readers: Sequence[Reader], *, limits: Limits | None = None, stdin: BinaryIO | None = None
) -> Reading:
    """Read files, directories, and `-` for standard input.

    Raises:
        InputError: A path that is not there, or a named file that cannot be opened.
    """
    return _Reader(readers, limits or Limits(), stdin or sys.stdin.buffer).read(paths)


def system_document(estate: Estate, name: str) -> YamlDocument | None:
    """The document of this file that describes a system: it has `system`, `objectives` and `components`."""
    for document in estate.documents:
        if document.file.name == name and all(at(document.root, key) for key in ("system", "objectives", "components")):
            return document
    return None


def problems(file: SourceFile, readers: Sequence[Reader]) -> int:
    """How much of a text cannot be read: of text that a technology recognises, what that cannot; else as YAML."""
    if Path(file.name).suffix.lower() not in YAML | JSON:
        for reader in readers:
            if reader.recognises is not None and reader.read is not None and reader.recognises(file):
                return len(reader.read(file)[1])
    return len(yaml_reader.read(file)[1])


@dataclass(slots=True)
class _Reader:
    readers: Sequence[Reader]
    limits: Limits
    stdin: BinaryIO
    reading: Reading = field(default_factory=Reading)
    bytes_read: int = 0
    values_read: int = 0

    def read(self, paths: Sequence[str]) -> Reading:
        search = Search(self.limits)
        reading = self.reading
        for candidate in search.candidates(paths):
            too_much = self._too_much()
            if too_much:
                self._cannot_read(candidate.name, f"this file and what follows was not read: {too_much}")
                break
            self._one(candidate)
        reading.estate.unreadable += search.problems
        return reading

    def _too_much(self) -> str:
        """Which bound of the whole is reached; empty when none is."""
        limits = self.limits
        if len(self.reading.estate.files) >= limits.files:
            return f"{limits.files:,} files were"
        if self.bytes_read >= limits.all_bytes:
            return f"{limits.all_bytes:,} bytes were"
        return f"{limits.all_values:,} keys and values were" if self.values_read >= limits.all_values else ""

    def _one(self, candidate: Candidate) -> None:
        content = self._content(candidate)
        if content is None:
            return
        self.bytes_read += len(content)
        suffix = Path(candidate.name).suffix.lower()
        if suffix in JSON and not candidate.named and not (b'"apiVersion"' in content and b'"kind"' in content):
            return
        if suffix not in YAML and b"\x00" in content[:_BINARY_WITHIN] and not content.startswith(_UTF_16):
            self.reading.notes.append(f"{candidate.name}: not read: this is no text")
            self.reading.estate.unclaimed += [candidate.name] if candidate.named else []
            return
        file = self._decoded(candidate, content, strict=suffix not in TEXT)
        if file is not None:
            self.reading.estate.files[file.name] = file
            if not self._show(file, suffix):
                self.reading.unknown.append(file.name)
                self.reading.estate.unclaimed += [file.name] if candidate.named else []

    def _content(self, candidate: Candidate) -> bytes | None:
        """The file's bytes, never more than allowed; what cannot be opened is an error when it was named."""
        name = candidate.name
        most = self.limits.input_bytes if name == STANDARD_INPUT else self.limits.file_bytes
        try:
            content = self.stdin.read(most + 1) if name == STANDARD_INPUT else _bytes_of(candidate, most + 1)
        except OSError as error:
            if candidate.named:
                raise InputError(f"cannot be read: {error.strerror or error}", where=name) from None
            self._cannot_read(name, f"cannot be read: {error.strerror or error}")
            return None
        if len(content) > most:
            self._cannot_read(name, f"larger than {most // 2**20} MiB")
            return None
        return content

    def _decoded(self, candidate: Candidate, content: bytes, *, strict: bool) -> SourceFile | None:
        """The text; of a file that is no YAML, what is no UTF-8 stands as it can."""
        name = candidate.name
        utf_16 = content.startswith(_UTF_16)
        try:
            text = content.decode("utf-16" if utf_16 else "utf-8", "strict" if strict else "replace")
        except UnicodeDecodeError as error:
            start = 0 if utf_16 else error.start
            line = content.count(b"\n", 0, start) + 1
            before = content[content.rfind(b"\n", 0, start) + 1 : start].decode("utf-8", "replace")
            self._cannot_read(name, "this is not UTF-8 text: save the file as UTF-8", line, len(before) + 1)
            return None
        if text.count("\n") + text.count("\r") > self.limits.file_lines:
            self._cannot_read(name, f"more than {self.limits.file_lines:,} lines")
            return None
        text = text.removeprefix("\ufeff")
        return SourceFile(name, text, yaml_reader.lines_of(text), candidate.named)

    def _cannot_read(self, name: str, what: str, line: int = 1, column: int = 1) -> None:
        self.reading.estate.unreadable.append(Unreadable(Place(name, line, column), what))

    def _show(self, file: SourceFile, suffix: str) -> bool:
        """Let every technology look at a file: what may be YAML as documents, what is none as a text."""
        claimed = suffix not in YAML | JSON and any(self._offer_text(reader, file) for reader in self.readers)
        if not claimed and suffix not in TEXT:
            claimed = self._offer_documents(file)
        return claimed

    def _offer_text(self, reader: Reader, file: SourceFile) -> bool:
        estate = self.reading.estate
        try:
            if reader.recognises is None or reader.read is None or not reader.recognises(file):
                return False
            found, unreadable = reader.read(file)
        except Exception as error:  # noqa: BLE001 - a reader that fails is told as a finding, and the audit goes on
            self._fault(reader, Place(file.name), error)
            return True
        estate.claims[file.name, 0] = reader.technology
        estate.unreadable += unreadable
        for one in found:
            estate.add(one)
        return True

    def _offer_documents(self, file: SourceFile) -> bool:
        estate = self.reading.estate
        documents, unreadable, values = yaml_reader.read_counted(file)
        self.values_read += values
        estate.documents += documents
        estate.unreadable += unreadable
        return sum(self._offer_document(document) for document in documents) + len(unreadable) > 0

    def _offer_document(self, document: YamlDocument) -> bool:
        for reader in self.readers:
            try:
                found = reader.read_yaml(document) if reader.read_yaml is not None else None
            except Exception as error:  # noqa: BLE001 - a reader that fails is told as a finding, and the audit goes on
                self._fault(reader, document.root.place, error)
                return True
            if found is not None:
                self.reading.estate.claims[document.file.name, document.number] = reader.technology
                self.reading.estate.add(found)
                return True
        return False

    def _fault(self, reader: Reader, place: Place, error: Exception) -> None:
        what = f"the reader of {reader.technology} failed: {type(error).__name__}: {error}"
        self.reading.estate.faults.append(Unreadable(place, what))


def _bytes_of(candidate: Candidate, most: int) -> bytes:
    """What a file begins with; of what is no file and was not named, nothing, so that no pipe is waited for."""
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if candidate.named else os.O_NONBLOCK | os.O_NOFOLLOW)
    name = Path(candidate.name) if candidate.named else Path(candidate.name).resolve()
    with os.fdopen(os.open(name, flags), "rb") as stream:
        if not candidate.named and not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return b""
        return stream.read(most)
