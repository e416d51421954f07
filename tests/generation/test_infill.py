"""Filling gaps: the right law, nothing outside them touched, text that is text."""

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sedd_cli import Checkpoint, Gap, Request, UsageError, infill
from sedd_cli.diffusion import likelihood
from sedd_cli.diffusion.branching import remask, write
from sedd_cli.diffusion.names import SamplerName
from sedd_cli.diffusion.network import Scored
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.generation import lengths
from sedd_cli.generation.engine import Step
from sedd_cli.generation.infill import Infilling
from sedd_cli.models.config import Config
from sedd_cli.models.defaults import authors_settings
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.gap_style import GapStyle
from sedd_cli.text.gaps import Length
from sedd_cli.text.line_ends import newline_of, with_newlines
from sedd_cli.text.tokenizer import Tokenizer
from tests.diffusion.oracle import UNLIKELY, Oracle, Space, chi_square_p, index_of

STORY = "Once upon a time, there was a little dog. He ran to the park and saw a cat. They were happy.\n"


def rest_of(text: str, spans: list[tuple[int, int]]) -> list[str]:
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


@settings(max_examples=25, deadline=None)
@given(
    document=st.text(alphabet="aé🌍\u0301 \t\r\n\ufeff.b", min_size=1, max_size=40) | st.text(min_size=1, max_size=30),
    data=st.data(),
)
def test_outside_the_gaps_nothing_changes(document: str, data: st.DataObject, shallow: Checkpoint) -> None:
    document = document.encode(errors="ignore").decode() or "a"
    edges = sorted(data.draw(st.lists(st.integers(0, len(document)), min_size=2, max_size=6, unique=True)))
    gaps = [Gap(a, b, data.draw(st.sampled_from([None, 1, 3]))) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    # At this temperature any token comes, bytes that are no text among them.
    run = Infilling(shallow, Request(steps=4, seed=1, temperature=50.0), document, gaps)
    steps = list(run.steps())
    (filling,) = run.fillings()
    assert filling.complete and rest_of(filling.text, filling.spans) == rest_of(
        document, [(gap.start, gap.end) for gap in gaps]
    )
    assert filling.text.encode().decode() == filling.text and "\N{REPLACEMENT CHARACTER}" not in "".join(
        filling.text[slice(*span)] for span in filling.spans
    )
    most = sum(min(int(w.canvas.free.sum()), 5) for w in run.windows)
    assert len(steps) == filling.nfe and filling.nfe - filling.redrawn <= most
    assert "<|endoftext|>" not in filling.text


def test_bytes_that_are_no_text_are_drawn_again(shallow: Checkpoint) -> None:
    request = Request(steps=8, seed=3, num_samples=3, temperature=1000.0)
    run = Infilling(shallow, request, STORY, [Gap(20, 60, 60)])
    list(run.steps())
    fillings = run.fillings()
    assert any(filling.redrawn for filling in fillings)
    for filling in fillings:
        assert filling.text.encode().decode() == filling.text
        assert filling.complete and filling.text.startswith(STORY[:20]) and filling.text.endswith(STORY[60:])


@pytest.mark.parametrize(
    "options",
    [{"remask": "rescale", "eta": 1.0}, pytest.param({"block": 16, "correct": 9}, marks=pytest.mark.slow)],
    ids=str,
)
def test_a_redraw_changes_no_other_token(shallow: Checkpoint, options: dict[str, Any]) -> None:
    """Where tokens return to MASK on the way or are corrected, too: the text would never be done."""
    request = Request(steps=64, seed=3, num_samples=3, temperature=1000.0, **options)
    run, before = Infilling(shallow, request, STORY, [Gap(20, 60, 40)]), dict[int, Step]()
    for step in run.steps():
        if run._redrawn[step.row]:
            assert bool((step.ids == before[step.row].ids)[step.state.visits == 0].all())
        before[step.row] = step
    assert any(filling.redrawn for filling in run.fillings()) and all(map(run.done, run._state.values()))


def test_what_the_library_does_not_take(built_in: Checkpoint) -> None:
    for options, message in (({"prompt": "a"}, "no prompt"), ({"suffix": "a"}, "no suffix")):
        with pytest.raises(UsageError, match=message):
            infill(built_in, STORY, [(1, 2)], **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not valid UTF-8"):
        infill(built_in, "a \ud800 b", [(0, 1)])
    with pytest.raises(UsageError, match="no gap"):
        infill(built_in, STORY, [])


def test_an_empty_gap_is_the_identity_and_with_tokens_an_insertion(built_in: Checkpoint) -> None:
    (same,) = infill(built_in, STORY, [(10, 10)], seed=1)
    assert (same.text, same.nfe, same.nats) == (STORY, 0, 0.0)
    (more,) = infill(built_in, STORY, [Gap(17, 17, 4)], seed=1)
    assert more.text[:17] == STORY[:17] and more.text.endswith(STORY[17:]) and len(more.text) > len(STORY)


def test_candidates_are_ranked_and_depend_on_seed_and_row_alone(shallow: Checkpoint) -> None:
    gaps = [(42, 60), (76, 90)]
    several = infill(shallow, STORY, gaps, seed=5, num_samples=3, steps=8)
    assert [f.nats for f in several] == sorted(f.nats for f in several)
    assert len({f.text for f in several}) > 1
    for filling in several:
        (alone,) = infill(shallow, STORY, gaps, seed=5, row=filling.row, steps=8)
        assert (alone.text, alone.nfe) == (filling.text, filling.nfe)
    # Ranking takes most of the time, and this one's place depends on it.
    assert alone.nats == several[-1].nats


def test_windows_of_a_long_document_are_filled_each_with_numbers_of_its_own(shallow: Checkpoint) -> None:
    document = STORY * 30
    at = [k * len(STORY) for k in (2, 15, 28)]
    run = Infilling(shallow, Request(steps=8, seed=2, length=64), document, [Gap(i + 42, i + 60) for i in at])
    list(run.steps())
    (filling,) = run.fillings()
    assert len(run.windows) == 3
    written = filling.written
    assert len(set(written)) > 1
    assert rest_of(filling.text, filling.spans) == rest_of(document, [(i + 42, i + 60) for i in at])


def test_a_stopped_run_shows_what_is_masked_as_markers(shallow: Checkpoint) -> None:
    run = Infilling(shallow, Request(steps=64, seed=2), STORY, [Gap(42, 60)])
    next(iter(run.steps()))
    (filling,) = run.fillings()
    assert not filling.complete and "[[" in filling.text[slice(*filling.spans[0])]


def test_lengths_are_told_by_the_text_beside_the_gap(
    built_in: Checkpoint, shallow: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fits between these two halves of a phrase that the checkpoint knows by heart but what was there."""
    document = "Once upon a time, there was a little girl named Lily. She loved to play."
    start, end = document.index(" time"), document.index(" a little")
    run = Infilling(built_in, Request(steps=8, seed=2), document, [Gap(start, end, (1, 12))])
    (chosen,) = run.chosen_lengths
    assert chosen.tokens == run.sized_gaps[0].tokens == 4  # " time", ",", " there", " was"
    assert set(chosen.probability) == set(range(1, 13)) >= set(chosen.nats) and len(chosen.nats) == 7
    assert min(chosen.nats, key=lambda n: chosen.nats[n]) == 4 and chosen.calls == (7 + 2) * 9
    assert sum(chosen.probability.values()) == pytest.approx(1) and chosen.probability[4] > 0.5
    # Near the canvas' size fewer neighbours are left: all lengths are compared by the same ones.
    compared = []

    def ordered_nats(*arguments: Any) -> torch.Tensor:
        compared.append(len(arguments[4]))
        return likelihood.ordered_nats(*arguments)

    monkeypatch.setattr(lengths, "ordered_nats", ordered_nats)
    run = Infilling(shallow, Request(steps=8, seed=2, length=64), document * 9, [Gap(start, end, (48, 90))])
    (chosen,) = run.chosen_lengths
    assert max(chosen.nats) == 52 and len(compared) == len(chosen.nats) + 2 == 7 and len(set(compared)) == 1
    # Nothing stands between these words: the blank before the gap does not tell how much is to be written.
    run = Infilling(shallow, Request(steps=8, seed=2, length=64), document, [Gap(start + 1, start + 1, "auto")])
    assert max(run.chosen_lengths[0].nats) == 8
    with pytest.raises(UsageError, match="nothing is kept beside the gap"):
        letters(Space(3, 2)).infilling("ab", [Gap(0, 2, (1, 2))], length=64)


def test_the_true_law_gives_lengths_their_probability_without_an_error() -> None:
    """What orders of the neighbours differ by is the network's error, and the true score has none."""
    space = Space(3, 6, seed=2)
    run = letters(space).infilling("abca", [Gap(2, 2, (1, 2))], length=64)
    (chosen,) = run.chosen_lengths
    assert chosen.error < 1e-5
    one, two = (-float(space.probability(torch.tensor(x)).log()) for x in ([0, 0, 1, 3, 2, 0], [0, 1, 3, 3, 2, 0]))
    given_a = -float(space.probability(torch.tensor([0, 3, 3, 3, 3, 3])).log())
    assert chosen.nats[2] == pytest.approx(two) and chosen.nats[1] == pytest.approx(one - given_a)
    odds = math.exp(chosen.nats[1] - chosen.nats[2] - lengths.SHORTER / 2)
    assert chosen.probability[2] / chosen.probability[1] == pytest.approx(odds)
    assert chosen.tokens == (2 if odds > 1 else 1)


class ShortOracle(Oracle):
    """Takes a shorter canvas for one that begins with as many letters a."""

    def log_scores(self, x: torch.Tensor, sigma: torch.Tensor, where: torch.Tensor) -> Iterator[Scored]:
        missing = self.space.length - x.shape[1]
        x, where = (torch.nn.functional.pad(tensor, (missing, 0)) for tensor in (x, where))
        for scored in super().log_scores(x, sigma, where):
            yield scored._replace(position=scored.position - missing)


class letters:  # noqa: N801 - reads as what it is where it is used
    """A checkpoint of three letters whose network knows the true law."""

    def __init__(self, space: Space) -> None:
        vocabulary = {letter: i for i, letter in enumerate("abc")}
        inner = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
        inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = tokenizers.decoders.ByteLevel()
        config = Config.model_validate(
            {
                "tokens": 3,
                "noise": {"type": "loglinear"},
                "model": {"type": "ddit_wot", "hidden_size": 4, "length": space.length, "n_blocks": 1, "n_heads": 1},
            }
        )
        network = ShortOracle(space, Absorbing(3))
        network.device = torch.device("cpu")  # type: ignore[attr-defined]
        self.checkpoint = Checkpoint("letters", Path(), config, cast(ScoreNetwork, network), Tokenizer(inner))

    def infilling(self, document: str, gaps: list[Gap], **options: object) -> Infilling:
        return Infilling(self.checkpoint, replace(Request(), **options), document, gaps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sampler", "steps"), [("first-hitting", 1), pytest.param("tweedie", 400, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("gaps", [[(1, 3)], pytest.param([(0, 1), (2, 4)], marks=pytest.mark.slow), [(0, 2), (3, 4)]])
def test_gaps_are_filled_by_the_exact_conditional(
    sampler: SamplerName, steps: int, gaps: list[tuple[int, int]]
) -> None:
    """`p_0(gaps | the rest)`; the law of tweedie at 400 steps differs from it by less than these samples can tell."""
    space, rows = Space(3, 4, seed=2), 1000
    document = "abca"
    run = letters(space).infilling(
        document, [Gap(a, b) for a, b in gaps], seed=1, num_samples=rows, steps=steps, sampler=sampler
    )
    assert len(run.windows) == 1
    list(run.steps())
    texts = [filling.text for filling in run.fillings()]
    ids = torch.tensor([["abc".index(letter) for letter in text] for text in texts])
    known = torch.tensor([0, 1, 2, 0])
    for a, b in gaps:
        known[a:b] = 3
    counts = torch.bincount(index_of(ids, 3), minlength=81)
    assert chi_square_p(counts, space.given(known)) > UNLIKELY


def test_the_bound_of_a_filling_is_its_exact_surprise() -> None:
    """With the true score the any-order bound is exact on average over orders."""
    space = Space(3, 4, seed=2)
    run = letters(space).infilling("abca", [Gap(1, 3)], seed=1, num_samples=3, sampler="first-hitting")
    list(run.steps())
    law = space.given(torch.tensor([0, 3, 3, 0]))
    for filling in run.fillings():
        ids = torch.tensor(["abc".index(letter) for letter in filling.text])
        assert filling.nats == pytest.approx(-float(law[index_of(ids, 3)].log()), abs=0.05)


def test_a_gap_behind_a_blank_holds_words_and_no_second_blank(built_in: Checkpoint) -> None:
    document = "Tim had a dog. He liked to play with it. They had fun."
    gaps = [Gap(10, 13), Gap(27, 31, 3)]
    request = Request(steps=8, seed=1, num_samples=8, temperature=2.0)
    run = Infilling(built_in, request, document, gaps)
    list(run.steps())
    (window,) = run.windows
    assert built_in.tokenizer is not None and [len(place) for place in window.gap_positions] == [1, 3]
    for row, filling in enumerate(run.fillings()):
        state = run._state_of(row)
        assert all(built_in.tokenizer.bytes_of(int(state.ids[p.start])).startswith(b" ") for p in window.gap_positions)
        assert filling.text.startswith("Tim had a ") and " with it. They had fun." in filling.text
        written = [built_in.tokenizer.decode(state.ids[p.start : p.stop].tolist()) for p in window.gap_positions]
        assert filling.written == [text[1:] for text in written]


def test_only_the_first_token_of_a_gap_must_begin_with_the_blank(built_in: Checkpoint) -> None:
    """Their law elsewhere is the network's: with the limits, draws at other positions are what they were."""
    run = Infilling(built_in, Request(seed=2, steps=1), "He saw a big dog and ran.", [Gap(7, 12, 4)])
    free = Infilling(built_in, Request(seed=2, steps=1), "He saw a big dog and ran.", [Gap(7, 12, 4)])
    (window,) = free.windows
    free.windows = [replace(window, canvas=replace(window.canvas, space_positions=(), forbidden_at_space=()))]
    limited, unlimited = ([step.ids for step in job.steps()][-1] for job in (run, free))
    start = window.gap_positions[0].start
    assert torch.equal(limited[start + 1 :], unlimited[start + 1 :])


def test_a_document_of_crlf_is_filled_as_one_of_lf_is(built_in: Checkpoint) -> None:
    """The network reads and writes the same tokens; in the document their line ends are its own."""
    document = "Tom ran.\r\n\r\nSam sat.\r\n\r\nThe end.\r\n"
    unix = document.replace("\r\n", "\n")
    (ours,), (theirs,) = (
        infill(built_in, text, [Gap(at, at, 16), Gap(4, 7)], seed=1, steps=8, length=64)
        for text, at in ((document, document.index("The end")), (unix, unix.index("The end")))
    )
    written, expected = ([f.text[slice(*span)] for span in f.spans] for f in (ours, theirs))
    assert "\n" in expected[1] and written == [text.replace("\n", "\r\n") for text in expected]
    at = document.index("The end")
    assert rest_of(ours.text, ours.spans) == rest_of(document, [(4, 7), (at, at)])
    assert (ours.nats, ours.nfe) == (theirs.nats, theirs.nfe)


def test_a_line_end_of_crlf_counts_as_one_of_lf_does(shallow: Checkpoint) -> None:
    """As many tokens as stood there, and lengths compared, are those of the text that the network reads."""
    document = "He ran.\r\nHe sat.\r\nHe slept.\r\n"
    for tokens in (None, "auto"):
        gap = Gap(0, 18, tokens)  # type: ignore[arg-type]
        ours = Infilling(shallow, Request(steps=4, seed=1), document, [gap])
        theirs = Infilling(shallow, Request(steps=4, seed=1), document.replace("\r\n", "\n"), [replace(gap, end=16)])
        assert [s.tokens for s in ours.sized_gaps] == [s.tokens for s in theirs.sized_gaps]
        assert [c.nats for c in ours.chosen_lengths] == [c.nats for c in theirs.chosen_lengths]


def test_a_document_of_both_line_ends_is_written_with_the_more_frequent() -> None:
    assert [newline_of(text) for text in ("", "a", "a\nb", "a\r\nb\n", "a\r\n\r\nb\n", "a\rb")] == [
        *["\n"] * 4,
        "\r\n",
        "\n",
    ]
    assert with_newlines("a\nb\r\nc", "\r\n") == "a\r\nb\r\nc" and with_newlines("a\r\nb", "\n") == "a\r\nb"


@pytest.mark.parametrize(
    "options",
    [{}, *(pytest.param(o, marks=pytest.mark.slow) for o in ({"sampler": "first-hitting"}, {"score": "raw"}))],
)
def test_a_gap_of_one_line_holds_no_line_end(built_in: Checkpoint, options: dict[str, object]) -> None:
    document = "Tom ran.\n\nSam sat.\n\nAnn ate.\n\nThe end.\n"
    places = document.index("Ann"), document.index("The end")

    def run(*one_line: bool) -> Infilling:
        gaps = [Gap(at, at, 16, only) for at, only in zip(places, one_line, strict=True)]
        request = Request(**{"steps": 8, "seed": 1, "num_samples": 4, **options})  # type: ignore[arg-type]
        infilling = Infilling(built_in, request, document, gaps)
        list(infilling.steps())
        return infilling

    def line_ends(infilling: Infilling) -> list[int]:
        """In each gap, of all candidates."""
        texts = [[filling.text[slice(*span)] for span in filling.spans] for filling in infilling.fillings()]
        return [sum(text.count("\n") + text.count("\r") for text in gap) for gap in zip(*texts, strict=True)]

    assert all(line_ends(run(False, False)))
    limited = run(True, False)
    assert not line_ends(limited)[0] and line_ends(limited)[1] and line_ends(run(True, True)) == [0, 0]
    (window,) = limited.windows
    first, second = (place.start + 1 for place in window.gap_positions)
    assert built_in.tokenizer is not None
    (newline,) = built_in.tokenizer.encode("\n")
    assert newline in window.canvas.excluded_at(first) and newline not in window.canvas.excluded_at(second)


@pytest.mark.parametrize("newline", ["\n", pytest.param("\r\n", marks=pytest.mark.slow)])
def test_what_is_written_joins_the_text_beside_it(built_in: Checkpoint, newline: str) -> None:
    """At the beginning of a document and of a line, before a word and behind one, and between signs."""
    document = newline.join(["Tom had a red kite.", "", "He saw `the` hill and ran up.", ""])
    ends = [document.index(text) for text in ("kite", "He", " and")]
    quote = document.index("the")
    inserted = [Gap(at, at, tokens) for at, tokens in zip(ends, (1, 2, 1), strict=True)]
    gaps = [Gap(0, 3), *inserted[:2], Gap(quote, quote + 3), inserted[2]]
    run = Infilling(built_in, Request(seed=1, steps=16, num_samples=24), document, gaps)
    list(run.steps())
    for filling in run.fillings():
        first, before_word, line, quoted, behind_word = written = filling.written
        assert all(text.strip() for text in written)
        assert not first[0].isspace() and not line[0].isspace() and not quoted[0].isspace()
        assert before_word[-1].isspace() and line[-1].isspace() and not first[-1].isspace()
        assert not behind_word[0].isalnum() and not behind_word[-1].isspace()
        words = filling.text.lower().split(" ")
        assert not any(a == b for a, b in pairwise(words))
    assert all(map(run.done, run._state.values())) and any(filling.redrawn for filling in run.fillings())


def test_quotes_case_and_indentation_are_as_they_were(built_in: Checkpoint) -> None:
    document = 'Tom said, "I like my (red) kite." He ran up the hill.\n\n    "Go home," Tom said.\n'
    originals = [("like my (red)", 5), ("He ran", 2), ('    "Go home,"', 7)]
    spans = [(document.index(text), document.index(text) + len(text)) for text, _ in originals]
    gaps = [Gap(*span, tokens) for span, (_, tokens) in zip(spans, originals, strict=True)]
    run = Infilling(built_in, Request(seed=1, steps=4, num_samples=8, temperature=1.5), document, gaps)
    list(run.steps())
    for filling in run.fillings():
        for (start, end), span in zip(filling.spans, spans, strict=True):
            style, text = GapStyle(document, *span), filling.text
            assert not style.faults(text[:start], text[start:end], text[end:])
    redrawn = [filling.redrawn for filling in run.fillings()]
    assert all(4 <= count <= 12 for count in redrawn) and max(redrawn) > 4


def test_sentences_end_where_they_did(built_in: Checkpoint) -> None:
    """At a length that is given, kept or chosen; a single word behind a blank cannot end one."""
    document = "Tom ran up the hill. He had a red kite.\n\nThe kite flew away. [[...]]\n\nIt was late. Tom went home.\n"
    rewritten, marker, end = (document.index(text) for text in ("He had", "[[...", " Tom went"))
    gaps = [Gap(rewritten, rewritten + 18), Gap(marker, marker + 7, (4, 8)), Gap(end, end, 1)]
    run = Infilling(built_in, Request(seed=1, steps=8, num_samples=8, temperature=1.5), document, gaps)
    list(run.steps())
    for filling in run.fillings():
        sentence, new, word = filling.written
        assert sentence.rstrip("\"'")[-1] in ".!?" and new.rstrip("\"'")[-1] in ".!?" and len(word.split()) == 1


def test_what_is_inserted_within_a_sentence_has_no_stop(built_in: Checkpoint) -> None:
    before, after = "Tom ran up the hill. He had a", " kite that flew away. He was sad."

    def written(original: str, tokens: Length) -> list[str]:
        gap = Gap(len(before), len(before + original), tokens)
        request = Request(seed=1, steps=8, num_samples=8, temperature=1.5)
        run = Infilling(built_in, request, before + original + after, [gap])
        list(run.steps())
        return [filling.written[0] for filling in run.fillings()]

    def stops(texts: list[str]) -> int:
        return sum(any(stop in text for stop in ".!?") for text in texts)

    assert not stops(written("", 8)) and stops(written("", 24)) and stops(written(" very big", 8))
    within, between = ("Tom ran up the || hill.", "Tom ran up. || He was sad.")
    for text, most in ((within, 8), (between, 32)):
        at = text.index("||")
        (chosen,) = Infilling(built_in, Request(), text.replace("||", ""), [Gap(at, at, "auto")]).chosen_lengths
        assert [*chosen.probability] == list(range(1, most + 1))


def test_a_token_that_a_person_chose_is_not_drawn_again(built_in: Checkpoint) -> None:
    assert built_in.tokenizer is not None
    run = Infilling(built_in, Request(seed=1, steps=4), "Tom had a red kite.", [Gap(10, 13)])
    (start,) = (run.start(row) for row in run.rows_of(0))
    (place,) = run.windows[0].gap_positions
    chosen = write(start, torch.tensor([place.start]), torch.tensor(built_in.tokenizer.encode(" kite")))
    assert not list(run.resume([chosen])) and run.fillings()[0].text == "Tom had a kite kite."


def test_an_edge_that_nothing_mends_is_left(built_in: Checkpoint) -> None:
    """With no other token allowed, it is drawn again a few times, and the text is done."""
    run = Infilling(built_in, Request(seed=1, steps=4), "Tom had a red kite.", [Gap(10, 13)])
    (window,) = run.windows
    (place,) = window.gap_positions
    assert built_in.tokenizer is not None
    (kite,) = built_in.tokenizer.encode(" kite")
    others = tuple(i for i in range(built_in.tokenizer.size) if i != kite)
    run.windows = [replace(window, canvas=replace(window.canvas, exclusions=(((place.start,), others),)))]
    steps = list(run.steps())
    (filling,) = run.fillings()
    assert filling.text == "Tom had a kite kite." and filling.complete and len(steps) == 1 + filling.redrawn


GIRL = "Once upon a time, there was a little girl named Lily. She liked to play."


def test_candidates_are_something_new_where_the_checkpoints_settings_are_taken(built_in: Checkpoint) -> None:
    """What stood there is all but certain here: by the same settings alone every row writes it."""
    gap, own = (30, 36), authors_settings(built_in, filling=True)
    plain = infill(built_in, GIRL, [gap], seed=1, steps=8, num_samples=4, **own)  # type: ignore[arg-type]
    assert [filling.text for filling in plain] == [GIRL] * 4
    new, one_by_one = (
        infill(built_in, GIRL, [gap], seed=1, steps=8, num_samples=4, batch_size=size, defaults="checkpoint")
        for size in (4, 1)
    )
    assert len({GIRL, *(filling.text for filling in new)}) == 5 and all(filling.redrawn for filling in new)
    assert [filling.text for filling in new] == [filling.text for filling in one_by_one]
    assert all(rest_of(filling.text, filling.spans) == rest_of(GIRL, [gap]) for filling in new)


def test_each_of_several_gaps_is_something_new(built_in: Checkpoint) -> None:
    document = f"{GIRL} {STORY * 4}{GIRL}"
    spans = [(at, at + 6) for at in (30, document.rindex("little girl"))]
    request = Request(seed=1, steps=8, num_samples=3, length=64, temperature=0.2)
    run = Infilling(built_in, request, document, [Gap(*span) for span in spans], differs=True)
    list(run.steps())
    written = [filling.written for filling in run.fillings()]
    assert len(run.windows) == 2 and all("little" not in texts for texts in written)
    assert all(len(set(candidates)) == 3 for candidates in zip(*written, strict=True))


def test_what_was_kept_stays_where_something_new_is_written(built_in: Checkpoint) -> None:
    """Of a gap whose first words a user has kept, the last one alone is drawn again."""
    assert built_in.tokenizer is not None
    document, words = "Tim and his mom went to the park to play with his friends.", "went to the park"
    at = document.index(words)
    run = Infilling(built_in, Request(seed=1, steps=8, temperature=0.2), document, [Gap(at, at + 16)], differs=True)
    state, ((place,),) = run.start(0), [window.gap_positions for window in run.windows]
    ids = state.ids.clone()
    ids[place.start : place.stop] = torch.tensor(built_in.tokenizer.encode(f" {words}"))
    list(run.resume([remask(run.sampler_of(0), replace(state, ids=ids), torch.tensor([place.stop - 1]))]))
    (filling,) = run.fillings()
    assert filling.redrawn and filling.written[0].startswith("went to the ") and filling.text != document


def test_a_candidate_is_new_however_it_is_run(built_in: Checkpoint) -> None:
    """Call by call, as a user steps, a candidate writes what it writes in one go."""
    request = Request(seed=1, steps=8, num_samples=3, temperature=0.2)
    whole, stepped = (Infilling(built_in, request, GIRL, [Gap(30, 36)], differs=True) for _ in range(2))
    list(whole.steps())
    for row in stepped.rows:
        state = stepped.start(row)
        while not stepped.done(state):
            state = next(iter(stepped.resume([state]))).state
    texts = [filling.text for filling in whole.fillings()]
    assert [filling.text for filling in stepped.fillings()] == texts and len({GIRL, *texts}) == 4


def test_what_alone_fits_is_written_again(built_in: Checkpoint) -> None:
    """No other token closes the bracket."""
    document = "Tom had a dog (and a cat) at home. He was happy."
    at = document.index(")")
    for filling in infill(built_in, document, [(at, at + 1)], seed=1, num_samples=3, defaults="checkpoint"):
        assert filling.complete and filling.text == document
