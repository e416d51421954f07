"""The gaps that `sedd infill` is asked for, and notes on them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sedd_cli.errors import NoGapError, UsageError
from sedd_cli.text.document import Document

if TYPE_CHECKING:
    from sedd_cli.cli.terminal import Terminal
    from sedd_cli.text.gaps import Gap, Length, Unit
    from sedd_cli.text.tokenizer import Tokenizer

MOST_SHOWN = 20
"""Maximum characters shown on either side of where a word is cut."""


@dataclass(frozen=True, kw_only=True)
class AskedGaps:
    """The options of the command that name the gaps. `one_line` None: as the document's format needs it."""

    spans: list[str]
    unit: str
    pattern: str | None
    brackets: tuple[str, str]
    tokens: str | None
    whole_words: bool
    one_line: bool | None

    def __post_init__(self) -> None:
        if self.spans and self.pattern is not None:
            raise UsageError("--mask and --regex both name the gaps", "Leave one of them out.")

    def check(self) -> None:
        """Raises `UsageError` for what is wrong whatever the document: a pattern, a number of tokens."""
        from sedd_cli.text.gaps import compile_pattern, parse_length

        if self.tokens is not None:
            parse_length(self.tokens)
        if self.pattern is not None:
            compile_pattern(self.pattern)

    def of(self, document: Document, tokenizer: "Tokenizer | None", terminal: "Terminal") -> "list[Gap]":
        """The gaps of a document: spans or matches, or else the markers that stand in it.

        Raises `NoGapError` for a document without a match or a marker, `UsageError` for what names no gap.
        """
        from sedd_cli.text.gaps import parse_length

        length = None if self.tokens is None else parse_length(self.tokens)
        if self.spans:
            gaps = self._masked(document, tokenizer, length, terminal)
        elif self.pattern is not None:
            gaps = self._matched(document, length)
        else:
            gaps = self._marked(document, length, terminal)
        for note in overlaps(gaps):
            terminal.info(note)
        return self._on_lines(gaps, document, terminal)

    def _masked(
        self, document: Document, tokenizer: "Tokenizer | None", length: "Length", terminal: "Terminal"
    ) -> "list[Gap]":
        from sedd_cli.text.gaps import parse_span, unit_spans
        from sedd_cli.text.tokenizer import require_tokenizer

        tokenizer = require_tokenizer(tokenizer, "it reads no documents")
        known: Unit = self.unit  # type: ignore[assignment]  # unit_spans refuses others
        units = unit_spans(document.text, known, tokenizer)
        gaps = [parse_span(span, units, len(document.text), length, self.unit) for span in self.spans]
        if self.unit == "lines" and self.one_line is None:
            # A single line is written anew as one.
            lines = set(units)
            gaps = [replace(gap, one_line=(gap.start, gap.end) in lines) for gap in gaps]
        if self.whole_words:
            return self._widened(gaps, document)
        if self.unit == "chars" and terminal.enabled and (note := cut_words(document, gaps)):
            terminal.info(note)
        return gaps

    def _matched(self, document: Document, length: "Length") -> "list[Gap]":
        from sedd_cli.text.gaps import regex_gaps

        assert self.pattern is not None
        gaps = regex_gaps(document.text, self.pattern, length)
        return self._widened(gaps, document) if self.whole_words else gaps

    def _widened(self, gaps: "list[Gap]", document: Document) -> "list[Gap]":
        from sedd_cli.text.words import whole_words

        return [whole_words(document.text, gap) for gap in gaps]

    def _marked(self, document: Document, length: "Length", terminal: "Terminal") -> "list[Gap]":
        from sedd_cli.text.gaps import line_and_column
        from sedd_cli.text.markers import marker_gaps

        gaps = marker_gaps(document.text, self.brackets, length)
        for gap in gaps:
            line, column = line_and_column(document.text, gap.start)
            terminal.info(f"{line}:{column}: {document.text[gap.start : gap.end]}")
        if not gaps:
            raise NoGapError(
                f"{document.name} has no gap",
                "Name one with --mask 10:40 or --regex PATTERN, or write [[12]] in the text.",
            )
        return gaps

    def _on_lines(self, gaps: "list[Gap]", document: Document, terminal: "Terminal") -> "list[Gap]":
        from sedd_cli.text.formats import keep_lines, split_gaps

        if self.one_line is False:
            return gaps
        parts = split_gaps(gaps, document.text, document.path)
        if len(parts) > len(gaps):
            terminal.info("a gap ends where a line or a field of this format does; --no-one-line makes it one")
        gaps = keep_lines(parts, document.text, document.path)
        if self.one_line:
            return [replace(gap, one_line=True) for gap in gaps]
        if any(gap.one_line for gap in gaps):
            terminal.info("no line end is written in a gap within a line; --no-one-line allows it")
        return gaps


def overlaps(gaps: "Sequence[Gap]") -> "Iterator[str]":
    """A note for each gap that overlaps one before it: the two are filled as one."""
    ordered = sorted(gaps, key=lambda gap: (gap.start, gap.end))
    start, end = 0, 0
    for gap in ordered:
        if gap.start < end:
            yield f"the gaps {start}:{end} and {gap.start}:{gap.end} overlap: they are one, {start}:{max(end, gap.end)}"
            end = max(end, gap.end)
        else:
            start, end = gap.start, gap.end


def cut_words(document: Document, gaps: "Sequence[Gap]") -> str:
    """A note of the words that gaps cut, and how to name whole ones; "" if they cut none.

    `--unit words` is named only where it takes exactly what `--whole-words` does.
    """
    from sedd_cli.text.gaps import check_gaps
    from sedd_cli.text.words import cut_word, whole_words

    text = document.text
    gaps = check_gaps(gaps, len(text))
    edges = [at for gap in gaps if gap.start < gap.end for at in (gap.start, gap.end)]
    cuts = dict.fromkeys(
        f'"{text[max(word[0], at - MOST_SHOWN) : at]}|{text[at : min(word[1], at + MOST_SHOWN)]}"'
        for at in edges
        if (word := cut_word(text, at))
    )
    if not cuts:
        return ""
    note = f"--mask cuts {' and '.join(cuts)}: --whole-words takes whole words"
    spans = _word_spans(text, [whole_words(text, gap) for gap in gaps])
    if spans is None:
        return note
    source = "-" if document.path is None else shlex.quote(str(document.path))
    return f"{note}, as does\nsedd infill {source} --unit words {' '.join(f'--mask {span}' for span in spans)}"


def _word_spans(text: str, gaps: "Sequence[Gap]") -> list[str] | None:
    """Each gap in `--unit words`; None if one is no run of such words, which hold the punctuation beside them."""
    words = [match.span() for match in re.finditer(r"\S+", text)]
    firsts = {start: number for number, (start, _) in enumerate(words)}
    lasts = {end: number for number, (_, end) in enumerate(words, 1)}
    if not all(gap.start in firsts and gap.end in lasts for gap in gaps):
        return None
    return [f"{firsts[gap.start]}:{lasts[gap.end]}" for gap in gaps]
