"""Proofreading: exact probabilities of words, the likeliest in their place, and mistakes told from right words."""

import math
from collections import defaultdict
from dataclasses import replace
from itertools import product

import pytest
import torch

from sedd_cli import Checkpoint, Finding, UsageError, proof
from sedd_cli.evaluation.proofreading import Proofreading, ProofRequest, corrected
from sedd_cli.evaluation.words_in_context import Word, WordReader
from sedd_cli.text.words import word_spans
from tests.diffusion.oracle import Space
from tests.generation.test_infill import letters

TEXT = (
    "\ufeffOnce upon a time, there was a little grl named Lily. She loved to play in the the park with her dog.\r\n"
    "One day, the dog was sda and did not want to play. They became good frineds.\r\n"
)


def test_a_word_has_its_exact_probability_and_the_greedy_suggestion() -> None:
    """All its tokens are masked, what is hidden besides is summed out, and all the rest is given."""
    space = Space(3, 4, seed=2)
    reader = WordReader(letters(space).checkpoint, "abca", length=64, batch_size=2)
    (whole,) = reader.words
    assert (whole.start, whole.end, whole.tokens) == (0, 4, range(4))
    middle = Word(1, 3, range(1, 3), "", "", None)
    texts = ["".join(text) for text in product("abc", repeat=4)]
    asked = [(whole, "____", frozenset[int]()), (middle, "a__a", frozenset[int]()), (middle, "a___", frozenset([3]))]
    laws = reader.laws([word for word, _, _ in asked], [hidden for _, _, hidden in asked])
    for law, (word, given, _), filling in zip(laws, asked, reader._finished(laws), strict=True):
        p = space.given(torch.tensor(["abc_".index(letter) for letter in given]))
        begun: dict[str, float] = defaultdict(float)
        for text, mass in zip(texts, p.tolist(), strict=True):
            for stop in range(word.start + 1, word.end + 1):
                begun[text[word.start : stop]] += mass
        assert law.probability == pytest.approx(begun["abca"[word.start : word.end]], rel=1e-5)
        best = ""
        for _ in word.tokens:
            best = max((best + letter for letter in "abc"), key=lambda spelt: begun[spelt])
        assert filling is not None and reader.decode(word, filling) == best
        assert math.exp(filling.log_p) == pytest.approx(begun[best], rel=1e-4)
    # Of one token, on a canvas of another length, a word is likelier.
    for short, filling in zip(reader.suggestions(laws), reader._finished(laws), strict=True):
        assert short is not None and filling is not None
        assert len(short.tokens) == 1 and short.log_p > filling.log_p


def test_mistakes_are_found_for_what_they_are_and_not_the_words_beside_them(built_in: Checkpoint) -> None:
    findings = proof(built_in, TEXT, below=0.01, length=128)
    found = {finding.word: finding for finding in findings}
    assert list(found) == ["grl", "the", "sda", "frineds"]
    for finding in findings:
        assert TEXT[finding.start : finding.end] == finding.word and finding.probability < 0.01
    assert [found[word].suggestion for word in ("grl", "sda", "frineds")] == ["girl", "sad", "friends"]
    assert all((f.suggestion_probability or 1) > f.probability for f in findings)
    the = found["the"]
    assert (the.suggestion, the.suggestion_probability, TEXT[the.edit_start : the.end]) == ("", None, " the")
    text, changes = corrected(TEXT, findings)
    assert " a little girl named Lily. She loved to play in the park with her dog.\r\n" in text and text.endswith(
        "good friends.\r\n"
    )
    assert all(text[slice(*now)] == finding.suggestion for finding, (_, now) in zip(findings, changes, strict=True))
    least = proof(built_in, TEXT, below=0.01, length=128, limit=2)
    assert least == [f for f in findings if f.probability <= sorted(g.probability for g in findings)[1]]


def test_line_ends_and_batches_change_nothing(shallow: Checkpoint) -> None:
    unix = TEXT.replace("\r\n", "\n")
    ours, theirs = proof(shallow, TEXT, below=0.3, length=32, batch_size=3), proof(shallow, unix, below=0.3, length=32)

    def told(findings: list[Finding]) -> list[tuple[str, float, str, float | None]]:
        return [(f.word, f.probability, f.suggestion, f.suggestion_probability) for f in findings]

    assert told(ours) == told(theirs) and len(ours) > 5


def test_what_is_a_word() -> None:
    text = "Don't e\u0301t 42 x2 -- na\u00efve, 10.5 \u201cthe\u201d"
    assert [text[slice(*span)] for span in word_spans(text)] == ["Don't", "e\u0301t", "x2", "na\u00efve", "the"]


def test_long_words_are_passed_over_and_a_stop_keeps_what_is_found(shallow: Checkpoint) -> None:
    text = f"{'qxzj' * 12} was a dog. " + "He ran to the prk. " * 20
    proofreading = Proofreading(shallow, text, ProofRequest(below=0.5, length=16))
    assert proofreading.num_skipped == 1 and len(proofreading.words) == 103
    # Only words that are within one of the spans.
    spans = [(49, 53), (55, 75), (77, 80)]
    some = Proofreading(shallow, text, ProofRequest(below=0.5, length=16), spans)
    assert [text[word.start : word.end] for word in some.words] == ["was", "dog", "He", "ran", "to", "the"]
    steps = proofreading.steps()
    assert next(steps) == 32 and not proofreading.findings()
    assert next(steps) == 64 and {f.start for f in proofreading.findings()} <= set(range(200))
    assert list(steps)[-1] == 103


def test_what_cannot_be_read(shallow: Checkpoint) -> None:
    for text, options, message in (
        ("", {}, "the text is empty"),
        ("a", {"below": 0}, "below must be a number above 0"),
        ("a", {"limit": 0}, "limit must be at least 1"),
        ("a", {"length": 8}, "length must be at least 16"),
        ("a \ud800", {}, "not valid UTF-8"),
    ):
        with pytest.raises(UsageError, match=message):
            proof(shallow, text, **options)
    config = letters(Space(3, 4)).checkpoint.config
    uniform = config.model_copy(update={"graph": config.graph.model_copy(update={"type": "uniform"})})
    with pytest.raises(UsageError, match="cannot give a word by what stands on both sides"):
        proof(replace(letters(Space(3, 4)).checkpoint, config=uniform), "abca")
    assert proof(shallow, "42 -- 7\n") == []
