"""Elastic gaps in training: their prior, what is masked, and runs that learn them."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from sedd_cli import UsageError, load_checkpoint
from sedd_cli.diffusion.randomness import PADDING, uniforms
from sedd_cli.models.pad_state import with_pad
from sedd_cli.training.objectives import NoiseDraws, make_objective
from sedd_cli.training.padding import DRAWS, NEVER, draw_layout, lay_out, pad_some
from sedd_cli.training.plan import plan_training
from sedd_cli.training.recipe import Recipe
from sedd_cli.training.session import TrainingSession, ValidationReport
from tests.conftest import PARITY, Sedd
from tests.diffusion.oracle import UNLIKELY, chi_square_p
from tests.training.test_init_from import onwards
from tests.training.test_session import CPU, finish, same
from tests.training.test_session import recipe as fresh

PAD = 9
TEXTS = torch.tensor([[0] * 24, [0, 1] * 12, [0] * 12 + [1] * 12])
LENGTH = 20
"""Two tokens, three texts that begin alike, and canvases shorter than they are: gaps of 8 or 16 slots."""


def padded(rows: int, length: int = LENGTH, share: float = 1.0, seed: int = 0) -> tuple[torch.Tensor, NoiseDraws]:
    x0 = TEXTS[torch.arange(rows) % len(TEXTS)]
    u = uniforms(seed, 0, size=rows * (length + 1))
    draws = NoiseDraws((torch.arange(rows) + 1 - u[:rows]) / rows, u[rows:].view(rows, length))
    return pad_some(x0, draws, uniforms(seed, 0, PADDING, size=rows * DRAWS).view(rows, DRAWS), share, PAD)


def prior() -> Counter[tuple[object, ...]]:
    """Chances of what is visible with the gap's length, by enumeration: text, l, place and begin are uniform, n is 8
    more often, and none depends on another (but on the canvas's room)."""
    chances: Counter[tuple[object, ...]] = Counter()
    for text in TEXTS.tolist():
        for n in (8, 16):
            context = LENGTH - n - 1
            for place in range(context + 1):
                for words in range(n + 1):
                    for begin in range(len(text) - LENGTH + 1):
                        left = tuple(text[begin : begin + place])
                        right = tuple(text[begin + place + words : begin + context + words])
                        each = 3 * (5 / 3 if n == 8 else 5 / 2) * (context + 1) * (n + 1) * (len(text) - LENGTH + 1)
                        chances[left, n, right, words] += 1 / each
    return chances


def test_the_conditionals_are_those_of_the_documented_prior() -> None:
    """On a space that can be enumerated: lengths together with all that is visible, hence every P(l < i | context)."""
    law, counts = prior(), Counter[tuple[object, ...]]()
    assert sum(law.values()) == pytest.approx(1)
    rows = 6000
    for row, u in enumerate(uniforms(0, 0, PADDING, size=rows * DRAWS).view(rows, DRAWS)):
        layout = draw_layout(LENGTH, 24, u)
        (gap,), text = layout.gaps, TEXTS[row % 3]
        canvas, (begin,) = lay_out(layout, text, PAD)
        assert begin == gap.place and canvas[begin + gap.words : begin + gap.size].tolist() == [PAD] * (
            gap.size - gap.words
        )
        left, right = canvas[:begin], canvas[begin + gap.size :]
        counts[tuple(left.tolist()), gap.slots, tuple(right.tolist()), gap.words] += 1
    assert counts.keys() <= law.keys()
    # Rare cells are counted together.
    common = [key for key, chance in law.items() if chance * rows > 8]
    found = torch.tensor([float(counts[key]) for key in common])
    expected = torch.tensor([law[key] for key in common])
    rest = torch.tensor([rows - float(found.sum())]), torch.tensor([1 - float(expected.sum())])
    assert len(common) > 50
    assert chi_square_p(torch.cat([found, rest[0]]), torch.cat([expected, rest[1]]).double()) > UNLIKELY


def test_nothing_but_the_words_depends_on_the_length() -> None:
    """With another uniform for the length alone, gaps, context, what may be masked and what is are the same."""
    x0 = torch.arange(300).view(1, 300)
    seen = set()
    for seed in range(80):
        length = (10, 20, 64, 256)[seed % 4]
        u = uniforms(seed, 0, PADDING, size=DRAWS).view(1, DRAWS)
        draws = NoiseDraws(torch.tensor([0.3]).double(), uniforms(seed, 1, size=length).view(1, length))
        layout = draw_layout(length, 300, u[0, 3:])
        at = 5 + len(layout.gaps)
        ways = []
        for share in (0.0, 0.5, 0.999):
            u[0, at] = share
            layout = draw_layout(length, 300, u[0, 3:])
            canvas, after = pad_some(x0, draws, u, 1.0, PAD * 1000)
            ways.append(
                (
                    [(g.slots, g.place, g.first, g.last) for g in layout.gaps],
                    after.times.tolist(),
                    after.uniforms.tolist(),
                )
            )
            seen |= {(gap.slots, gap.words, len(layout.gaps)) for gap in layout.gaps}
            assert (canvas != PAD * 1000).sum() == layout.context + sum(gap.words for gap in layout.gaps)
            text = canvas[canvas != PAD * 1000]
            assert torch.equal(text, torch.arange(len(text)) + layout.offset), "the text is in one piece"
        assert ways[0] == ways[1] == ways[2]
    assert {n for n, _, _ in seen} == {8, 16, 32} and {count for *_, count in seen} == set(range(1, 7))
    assert {(8, 0), (8, 8)} <= {(n, words) for n, words, _ in seen}


def test_what_is_masked() -> None:
    """Closing PADs never; gaps alone in most canvases, all of them in many; the rest of the step is as it was."""
    rows = 300
    x0, draws = padded(rows, share=0.5)
    elastic = (x0 == PAD).any(1)
    assert 120 < int(elastic.sum()) < 180
    plain_x0, plain = padded(rows, share=0.0)
    assert torch.equal(plain_x0, TEXTS[torch.arange(rows) % 3][:, :LENGTH])
    for now, before in ((x0, plain_x0), (draws.times, plain.times), (draws.uniforms, plain.uniforms)):
        assert torch.equal(now[~elastic], before[~elastic])
    last = [len(row) - 1 - row[::-1].index(PAD) for row in x0[elastic].tolist()]
    may = draws.uniforms[elastic] < 1
    assert not bool(may[torch.arange(len(last)), torch.tensor(last)].any())
    counts = may.sum(1)
    assert bool((counts > 0).all()) and 0.06 < float((counts == LENGTH - 1).double().mean()) < 0.25
    assert 0.4 < float((draws.times[elastic] == 1).double().mean()) < 0.8
    short, same_draws = padded(6, length=9)
    assert not bool((short == PAD).any()) and bool((same_draws.uniforms < 1).all()), "no gap fits"


@pytest.mark.parametrize("name", ["simple", "ao", "lambda-dce"])
def test_positions_that_are_never_noised_are_read_and_not_learnt(name: str) -> None:
    """The loss is that of the others alone, with every one of them masked: `-log p` of these, whatever the order."""
    checkpoint = with_pad(load_checkpoint(PARITY / "radd"))
    x0 = torch.arange(20)[None].clone()
    x0[0, 12:15] = checkpoint.config.pad_id or 0
    where = torch.zeros_like(x0, dtype=torch.bool)
    where[0, 8:14] = True
    draws = NoiseDraws(torch.ones(1).double(), torch.where(where, uniforms(0, 0, size=20)[None], NEVER))
    loss = make_objective(name, 0.0)(checkpoint.model, checkpoint.noise, x0, draws)
    x = x0.masked_fill(where, checkpoint.process.mask_id or 0)
    (scored,) = checkpoint.model.log_scores(x, torch.ones(1), where)
    nats = -scored.log_score.log_softmax(-1).gather(1, checkpoint.process.column_of(x0[where])[:, None]).sum()
    torch.testing.assert_close(loss[0] * (20 if name == "lambda-dce" else 6), nats, rtol=1e-5, atol=1e-5)


QUIET = ("report.sample=false",)


def gapped(text: Path, start: Path | None, *changes: str) -> Recipe:
    wide = ("data.padding=0.7", "model.length=24", *QUIET, *changes)
    if start is None:
        return fresh(text, "phases.1.objective=simple", *wide)
    return onwards(text, start, "phases.0.steps=4", *wide)


@pytest.fixture
def plain(text: Path, tmp_path: Path) -> Path:
    finish(TrainingSession(fresh(text, 'phases=[{objective="simple",steps=2}]', *QUIET), tmp_path / "plain", CPU))
    return tmp_path / "plain"


def test_a_run_from_a_checkpoint_without_pad(sedd: Sedd, text: Path, plain: Path, tmp_path: Path) -> None:
    """It adds the state, learns, resumes bit for bit, and is gone on with from there with PAD, padding or no."""
    recipe = gapped(text, plain)
    events = finish(TrainingSession(recipe, tmp_path / "whole", CPU))
    finish(TrainingSession(recipe, tmp_path / "parts", CPU), stop_at=2)
    again = gapped(text, plain, f"start={json.dumps(str(tmp_path / 'whole'))}")
    assert again.model.pad
    finish(TrainingSession(recipe, tmp_path / "parts", CPU, resume=True))
    assert same(tmp_path / "whole", tmp_path / "parts")
    before, after = load_checkpoint(plain).config, load_checkpoint(tmp_path / "whole").config
    assert (after.tokens, after.pad_id) == (before.tokens + 1, before.tokens)
    assert plan_training(recipe, CPU).tokens == after.tokens
    (report,) = (event for event in events if isinstance(event, ValidationReport))
    assert report.lengths is not None and report.lengths.nats > 0 and 0 <= report.lengths.within <= 1
    assert after.provenance["bound"]["lengths"]["nats"] == report.lengths.nats  # type: ignore[index]
    finish(TrainingSession(onwards(text, tmp_path / "whole", "phases.0.steps=1", *QUIET), tmp_path / "on", CPU))
    on = load_checkpoint(tmp_path / "on")
    assert on.config.pad_id == after.pad_id and "lengths" not in on.config.provenance["bound"]  # type: ignore[operator]
    written = sedd("generate", "-m", str(tmp_path / "on"), "--steps", "4", "-n", "2", "--seed", "1")
    assert written.code == 0, written.stderr
    shown = sedd("models", "show", str(tmp_path / "on"), "--json")
    assert json.loads(shown.stdout)["pad"] == after.pad_id


def test_a_run_with_pad_from_the_start(text: Path, tmp_path: Path) -> None:
    """An autoregressive phase, which is given no gaps, and one with them."""
    recipe = gapped(text, None)
    finish(TrainingSession(recipe, tmp_path / "run", CPU))
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.config.pad_id == 257 and checkpoint.tokenizer is not None and checkpoint.tokenizer.size == 257
    again = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert again["data"]["padding"] == 0.7 and "pad" not in again["model"]
    assert "padding" not in fresh(text).model_dump()["data"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["model.form=sedd", "phases.1.objective=dwdse"], "data.padding needs model.form radd"),
        (["phases.1.objective=t-dce"], "does not go with the objective t-dce; these take it: autoregressive, lambda"),
        (["model.length=9"], "needs a model.length of 10 at least, not 9"),
        (["data.padding=1.5"], "data.padding"),
    ],
)
def test_recipes_that_are_refused(text: Path, changes: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        gapped(text, None, *changes)


def test_a_start_that_cannot_have_pad(text: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.padding needs model\.form radd"):
        gapped(text, PARITY / "absorb", "phases.0.objective=dwdse")
