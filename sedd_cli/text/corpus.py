"""Read corpora: files and folders to documents, one at a time, whatever the size."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.text.corpus_files import JSON_SUFFIXES, JSON_WITHOUT_TEXTS, Skipped, list_files, suffix_of
from sedd_cli.text.encodings import open_unpacked, read_lines
from sedd_cli.text.json_documents import NoTextsError, json_kind, read_json


@dataclass(frozen=True)
class Reading:
    """A file being read: how, and its documents. `text_key`: what holds the text of its JSON objects."""

    file: Path
    kind: str
    text_key: str | None
    documents: Iterator[str]

    @property
    def label(self) -> str:
        """The kind of file, and how it is read."""
        name = suffix_of(self.file) or self.file.name
        key = "" if self.text_key is None else f', "{self.text_key}"'
        return name if self.kind == "text" else f"{name} ({self.kind}{key})"


@dataclass(frozen=True)
class SurveyedFile:
    label: str
    documents: int


@dataclass(frozen=True)
class Survey:
    """What a corpus holds: its files in the order of their documents, and what is left out of it."""

    files: tuple[SurveyedFile, ...]
    skipped: tuple[Skipped, ...]

    @property
    def documents(self) -> int:
        return sum(file.documents for file in self.files)


@dataclass(frozen=True)
class Corpus:
    """A text, or a folder of texts, as it is to be read.

    Text is split at lines equal to `separator`; by default at `<|endoftext|>` lines if the file has one, else at blank
    lines. JSON is told by its content: an array or one record a line, of texts or of objects, whose text is at
    `text_key` (None: found out). Reading raises `NotLoadableError` for a file that cannot be read or is not UTF-8,
    `UsageError` for JSON without texts; in a folder such a file is skipped.
    """

    path: Path
    separator: str | None = None
    text_key: str | None = None

    def documents(self) -> Iterator[str]:
        """Yield the documents in order, without separators; empty ones are skipped."""
        for reading in self.readings():
            yield from reading.documents

    def survey(self) -> Survey:
        """Read it all once, to count."""
        skipped: list[Skipped] = []
        files = [SurveyedFile(r.label, sum(1 for _ in r.documents)) for r in self.readings(skipped)]
        return Survey(tuple(files), tuple(skipped))

    def size(self) -> int:
        """Bytes of its files, unpacked."""
        total = 0
        for file in list_files(self.path).files:
            with open_unpacked(file) as stream:
                total += stream.seek(0, os.SEEK_END)
        return total

    def readings(self, skipped: list[Skipped] | None = None) -> Iterator[Reading]:
        """Yield each file as its turn comes; what is left out is added to `skipped`."""
        listing, skipped = list_files(self.path), [] if skipped is None else skipped
        skipped += listing.skipped
        for file in listing.files:
            try:
                yield self._read(file)
            except NoTextsError as error:
                if file == self.path:
                    raise
                skipped.append(
                    Skipped(str(file.relative_to(self.path)), JSON_WITHOUT_TEXTS, f"{error.message}. {error.hint}")
                )

    def _read(self, file: Path) -> Reading:
        kind = json_kind(file, self.text_key, named=suffix_of(file) in JSON_SUFFIXES)
        if kind is None:
            separator = _separator_of(file) if self.separator is None else self.separator
            return Reading(file, "text", None, _split(file, separator))
        key, texts = read_json(file, kind, self.text_key)
        return Reading(file, kind, key, (text for text in texts if text.strip()))


def read_documents(path: Path, separator: str | None = None, text_key: str | None = None) -> Iterator[str]:
    """Yield the documents of a corpus in order. See `Corpus`."""
    return Corpus(path, separator, text_key).documents()


def _separator_of(file: Path) -> str:
    return END_OF_TEXT if any(line.rstrip("\r\n") == END_OF_TEXT for line in read_lines(file)) else ""


def _split(file: Path, separator: str) -> Iterator[str]:
    document: list[str] = []
    for line in read_lines(file):
        if line.strip("\r\n" if separator else None) == separator:
            yield from _nonempty(document)
            document = []
        else:
            document.append(line)
    yield from _nonempty(document)


def _nonempty(lines: list[str]) -> Iterator[str]:
    text = "".join(lines).strip("\r\n")
    if text.strip():
        yield text
