"""A share of a gap rewritten: the law given what is kept, which tokens are masked, and the rest byte for byte."""

from itertools import combinations

import pytest
import torch

from sedd_cli import Checkpoint, Gap, Request, UsageError, generate, infill
from sedd_cli.diffusion.names import MaskedFirst
from sedd_cli.generation.infill import Infilling
from tests.diffusion.oracle import UNLIKELY, Space, chi_square_p, index_of
from tests.generation.test_infill import letters

MIXED = "Once upon a time,\r\nthere was a na\u00efve \U0001f30d dog.\nHe ran  to the park.\r\nThe end.\r\n"
TEXT, MASK = torch.tensor([0, 1, 2, 0]), 3


def ids_of(run: Infilling) -> torch.Tensor:
    list(run.steps())
    return torch.tensor([["abc".index(letter) for letter in filling.text] for filling in run.fillings()])


def masked_of(run: Infilling) -> list[tuple[int, ...]]:
    return [tuple(run.start(row).free.nonzero().squeeze(1).tolist()) for row in run.rows]


@pytest.mark.parametrize(
    ("strength", "count"),
    [pytest.param(1.0, 4, marks=pytest.mark.slow), (0.5, 2), pytest.param(0.1, 1, marks=pytest.mark.slow)],
)
def test_a_random_share_follows_the_law_given_what_is_kept(strength: float, count: int) -> None:
    """All of a gap at 1; below it every choice of so many tokens is as likely, and each is the exact conditional."""
    space, rows = Space(3, 4, seed=2), 1200
    options = {"seed": 1, "num_samples": rows, "sampler": "first-hitting", "strength": strength}
    run = letters(space).infilling("abca", [Gap(0, 4)], **options)
    # The space is of four letters, and the canvas of a document begins with no other.
    assert len(run.windows[0].canvas.ids) == 4
    masked, ids = masked_of(run), ids_of(run)
    assert all(bool((x == TEXT)[[i for i in range(4) if i not in m]].all()) for m, x in zip(masked, ids, strict=True))
    choices = list(combinations(range(4), count))
    chosen = torch.bincount(torch.tensor([choices.index(m) for m in masked]), minlength=len(choices))
    even = torch.full((len(choices),), 1 / len(choices), dtype=torch.float64)
    assert len(choices) == 1 or chi_square_p(chosen, even) > UNLIKELY
    laws = torch.stack([space.given(TEXT.index_fill(0, torch.tensor(m), MASK)) for m in choices])
    assert chi_square_p(torch.bincount(index_of(ids, 3), minlength=81), laws.mean(0)) > UNLIKELY


def test_the_unlikely_go_first() -> None:
    space = Space(3, 4, seed=2)
    each = torch.stack([TEXT.index_fill(0, torch.tensor([i]), MASK) for i in range(4)])
    given_others = space.conditional(each)[range(4), range(4), TEXT]
    lowest = tuple(sorted(given_others.argsort()[:2].tolist()))
    options = {"seed": 1, "num_samples": 400, "sampler": "first-hitting", "strength": 0.5, "by": "unlikely"}
    run = letters(space).infilling("abca", [Gap(0, 4)], **options)
    assert set(masked_of(run)) == {lowest}
    law = space.given(TEXT.index_fill(0, torch.tensor(lowest), MASK))
    assert chi_square_p(torch.bincount(index_of(ids_of(run), 3), minlength=81), law) > UNLIKELY


@pytest.mark.parametrize("by", ["random", "unlikely"])
def test_strength_0_changes_not_a_byte(shallow: Checkpoint, by: MaskedFirst) -> None:
    for gaps in ([(0, len(MIXED))], [(5, 9), (20, 60)], [(18, 30)]):
        (filling,) = infill(shallow, MIXED, gaps, strength=0, by=by, seed=1)
        assert (filling.text, filling.spans, filling.nfe, filling.nats) == (MIXED, gaps, 0, 0.0)


def test_what_is_kept_stands_as_it_stood(shallow: Checkpoint) -> None:
    """At this temperature any token comes: parts of characters, end-of-text tokens, line ends of another kind."""
    request = Request(strength=0.3, seed=3, num_samples=3, temperature=50.0, steps=8)
    run = Infilling(shallow, request, MIXED, [Gap(5, 60), Gap(62, 70)])
    list(run.steps())
    tokenizer = shallow.tokenizer
    assert tokenizer is not None
    for row, filling in zip(run.rows, run.fillings(), strict=True):
        (canvas,) = (run.canvas_of(index) for index in run.rows_of(row))
        (window,) = run.windows
        for place, (start, end) in zip(window.gap_positions, filling.spans, strict=True):
            assert int(canvas.free[place.start : place.stop].sum()) >= round(0.3 * len(place))
            at = start
            for position in place:
                if not canvas.free[position]:
                    piece = tokenizer.decode([int(canvas.ids[position])])
                    at = filling.text.index(piece.lstrip(" ") if position == place.start else piece, at, end)
        assert filling.text.startswith(MIXED[:5]) and filling.text.endswith(MIXED[70:])


def test_candidates_depend_on_seed_and_row_alone_and_are_ranked(shallow: Checkpoint) -> None:
    gaps = [(5, 17), (30, 60)]
    several = infill(shallow, MIXED, gaps, strength=0.5, seed=5, num_samples=2, steps=4)
    assert [f.nats for f in several] == sorted(f.nats for f in several)
    (alone,) = infill(shallow, MIXED, gaps, strength=0.5, seed=5, row=several[-1].row, steps=4)
    assert (alone.text, alone.nats) == (several[-1].text, several[-1].nats)


def test_what_a_strength_refuses(shallow: Checkpoint) -> None:
    for tokens in (4, (2, 5), "auto"):
        with pytest.raises(UsageError, match="so its length is the text's"):
            infill(shallow, MIXED, [Gap(5, 9, tokens)], strength=0.5)
    for options, message in (({"strength": 1.1}, "from 0 to 1"), ({"by": "chance"}, "unknown by 'chance'")):
        with pytest.raises(UsageError, match=message):
            infill(shallow, MIXED, [(5, 9)], **options)
    with pytest.raises(UsageError, match="a canvas is written whole"):
        generate(shallow, strength=0.5)
