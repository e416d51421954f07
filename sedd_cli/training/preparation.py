"""From a corpus to a tokenizer and to packed data, with an account of what was read and what was not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sedd_cli.errors import SeddError, UsageError
from sedd_cli.text.corpus import Corpus, Survey
from sedd_cli.text.corpus_files import Skipped, summary_of
from sedd_cli.text.line_ends import read_as_lf
from sedd_cli.text.tokenizer import LOSSY_HINT, Tokenizer
from sedd_cli.training.packed import document_tokens, pack
from sedd_cli.training.recipe import Data, Recipe
from sedd_cli.training.run import RunFolder
from sedd_cli.training.vocabulary import make_tokenizer

VOCABULARY_DOCUMENTS = 200_000
"""Maximum number of documents that a tokenizer is trained on."""
PROBED_CHARACTERS = 10_000
"""How much of the first document must come back from the tokenizer before training."""


@dataclass(frozen=True)
class CorpusPart:
    """Files of a corpus that are read alike; `tokens` includes the end-of-text token of each document."""

    label: str
    files: int
    documents: int
    tokens: int


@dataclass(frozen=True)
class CorpusReport:
    """What was read of a corpus, held-out documents included, and what was left out."""

    name: str
    parts: tuple[CorpusPart, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()
    """What was changed of the tokenizer."""


def prepare(recipe: Recipe, folder: RunFolder, initial_tokenizer: Tokenizer | None) -> list[CorpusReport]:
    """Write a run's tokenizer and packed data. Returns a report for each corpus of the recipe.

    `initial_tokenizer`: that of the checkpoint it goes on from, if any. Raises `UsageError` for a corpus without
    enough documents, `NotLoadableError` for one that cannot be read.
    """
    data = recipe.data
    if not data.train:
        raise UsageError("the recipe names no data", "Say where it is: --set data.train=PATH.")
    corpus, validation = _corpus(data, data.train), _corpus(data, data.validation) if data.validation else None
    survey, validation_survey = corpus.survey(), validation.survey() if validation else None
    _check_documents(corpus, survey, 1 if validation else 2)
    if validation and validation_survey:
        _check_documents(validation, validation_survey, 1)
    tokenizer = initial_tokenizer or make_tokenizer(recipe.tokenizer, islice(_documents(corpus), VOCABULARY_DOCUMENTS))
    _check_tokenizer(tokenizer, recipe.tokenizer, corpus)
    notes = () if initial_tokenizer else tokenizer.notes
    held_out = _held_out(corpus, survey.documents, 0 if validation else data.held_out)
    train_path, validation_path = folder.data / "train", folder.data / "validation"
    pack(_chosen(_documents(corpus), ~held_out), tokenizer, train_path)
    pack(
        _documents(validation) if validation else _chosen(_documents(corpus), held_out),
        tokenizer,
        validation_path,
    )
    folder.save_tokenizer(tokenizer)
    sizes = np.zeros(survey.documents, np.int64)
    sizes[~held_out] = document_tokens(train_path)
    if validation is None or validation_survey is None:
        sizes[held_out] = document_tokens(validation_path)
        return [_report(corpus, survey, sizes, notes)]
    return [
        _report(corpus, survey, sizes, notes),
        _report(validation, validation_survey, document_tokens(validation_path)),
    ]


def _corpus(data: Data, path: str) -> Corpus:
    return Corpus(Path(path), data.separator, data.text_key)


def _documents(corpus: Corpus) -> Iterator[str]:
    """Documents as networks learn them: with LF line ends, in which they read and write others' too."""
    return (read_as_lf(text)[0] for text in corpus.documents())


def _check_documents(corpus: Corpus, survey: Survey, least: int) -> None:
    if survey.documents == 0:
        raise UsageError(
            f"{corpus.path} holds no text{summary_of(survey.skipped)}", "A corpus needs at least two documents."
        )
    if survey.documents < least:
        raise UsageError(
            f"{corpus.path} is a single document, so that none is left for validation",
            "Put a blank line between its documents, or name the line that stands there, as --separator ---; or give "
            "--set data.validation=PATH.",
        )


def _check_tokenizer(tokenizer: Tokenizer, name: str, corpus: Corpus) -> None:
    first = next(iter(_documents(corpus)))[:PROBED_CHARACTERS]
    words = first.split()
    if fault := tokenizer.fault((first, *words[:1], *words[-1:])):
        raise UsageError(f"the tokenizer {name} changes the text of {corpus.path}: {fault}", LOSSY_HINT)


def _held_out(corpus: Corpus, documents: int, share: float) -> npt.NDArray[np.bool_]:
    """Which documents are kept for validation: evenly spread, a half at most; none for a share of 0.

    Where that is a single one, none with more than half of the text is taken: of the others the smallest that has the
    share, else the largest.
    """
    every = max(2, round(1 / share)) if share else documents + 1
    held_out = np.zeros(documents, np.bool_)
    if not share or documents >= every:
        held_out[every - 1 :: every] = True
        return held_out
    sizes = np.array([len(text) for text in corpus.documents()])
    within = np.flatnonzero(sizes <= sizes.sum() / 2)
    enough = within[sizes[within] >= share * sizes.sum()]
    held_out[enough[sizes[enough].argmin()] if len(enough) else within[sizes[within].argmax()]] = True
    return held_out


def _chosen(documents: Iterable[str], chosen: npt.NDArray[np.bool_]) -> Iterable[str]:
    count = 0
    for count, text in enumerate(documents, start=1):
        if count > len(chosen):
            break
        if chosen[count - 1]:
            yield text
    if count != len(chosen):
        raise SeddError("the corpus changed while it was read", "Start again when nothing writes to it.")


def _report(corpus: Corpus, survey: Survey, sizes: npt.NDArray[np.int64], notes: tuple[str, ...] = ()) -> CorpusReport:
    """Add up the tokens of documents, `sizes` in their order, over files that are read alike."""
    ends = np.concatenate([[0], sizes.cumsum()])
    parts: dict[str, CorpusPart] = {}
    first = 0
    for file in survey.files:
        part = parts.get(file.label, CorpusPart(file.label, 0, 0, 0))
        last = first + file.documents
        parts[file.label] = CorpusPart(
            file.label, part.files + 1, part.documents + file.documents, part.tokens + int(ends[last] - ends[first])
        )
        first = last
    return CorpusReport(corpus.path.name, tuple(parts.values()), survey.skipped, notes)
