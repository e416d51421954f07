"""PAD, a state that fills up gaps: a checkpoint that has it is the same wherever no PAD is visible."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sedd_cli import Checkpoint, NotLoadableError, UsageError, load_checkpoint
from sedd_cli.diffusion.draws import LogitsProcessor, draw
from sedd_cli.diffusion.likelihood import estimate
from sedd_cli.diffusion.names import SAMPLERS
from sedd_cli.diffusion.schedules import sigma_of_masked
from sedd_cli.generation.engine import generate
from sedd_cli.models.config import Config
from sedd_cli.models.pad_state import with_pad
from sedd_cli.training.vocabulary import make_tokenizer
from tests.conftest import PARITY, enlarge_vocabulary


@pytest.fixture(scope="module")
def plain() -> Checkpoint:
    return load_checkpoint(PARITY / "radd")


@pytest.fixture(scope="module")
def padded(plain: Checkpoint) -> Checkpoint:
    """The same with PAD, whose own logits are far above the others: where it may be written, it is."""
    checkpoint = with_pad(plain)
    bias = checkpoint.model.backbone.state_dict()["output_layer.linear.bias"]
    bias[checkpoint.config.pad_id] = 9.0
    return checkpoint


def canvases(checkpoint: Checkpoint) -> tuple[torch.Tensor, torch.Tensor]:
    """Three canvases, half of them masked; of the token ids that both checkpoints have."""
    ids = torch.arange(60).view(3, 20) * 7 % (checkpoint.config.text_tokens)
    where = torch.arange(60).view(3, 20) % 2 == 0
    return torch.where(where, checkpoint.process.mask_id, ids), where


def test_where_it_stands(plain: Checkpoint, padded: Checkpoint) -> None:
    n = plain.config.tokens
    assert (padded.config.tokens, padded.config.pad_id, padded.mask_id) == (n + 1, n, n + 1)
    assert padded.config.text_tokens == n and plain.config.text_tokens == n
    assert with_pad(padded) is padded
    x = torch.full((1, 17), padded.process.mask_id)
    x[0, -1] = n
    scores = padded.process.columns(with_pad(plain).model.log_score(x, torch.ones(1)))
    at_slots = scores[0, :-1].softmax(-1)[:, n]
    assert 0.3 < float(at_slots.mean()) < 0.7, "a new PAD is balanced"
    before, after = (c.model.backbone.embedding for c in (plain, padded))
    torch.testing.assert_close(after[n], before[:n].mean(0))
    assert torch.equal(after[torch.arange(n + 2) != n], before)


def test_where_no_pad_is_visible_it_is_as_if_there_were_none(plain: Checkpoint, padded: Checkpoint) -> None:
    found = []
    for checkpoint in (plain, padded):
        x, where = canvases(checkpoint)
        sigma = sigma_of_masked(checkpoint.noise, where.double().mean(1))
        chosen = torch.cat([s.log_score for s in checkpoint.model.log_scores(x, sigma, where)])
        whole = checkpoint.process.columns(checkpoint.model.log_score(x, sigma))[where]
        torch.testing.assert_close(chosen, whole, rtol=1e-5, atol=1e-5)
        kept: list[torch.Tensor] = []

        def keep(logits: torch.Tensor, chunk: torch.Tensor, kept: list[torch.Tensor] = kept) -> torch.Tensor:
            kept.append(logits.log_softmax(-1))
            return logits[:, 0]

        checkpoint.model.losses_at(x, sigma, where, keep)
        found.append((chosen, torch.cat(kept)))
    for of_plain, of_padded in zip(*found, strict=True):
        torch.testing.assert_close(of_padded[:, :-1], of_plain, rtol=1e-6, atol=1e-6)
        assert bool((of_padded[:, -1] == -torch.inf).all())


def test_a_visible_pad_allows_others_on_its_canvas_alone(padded: Checkpoint) -> None:
    x, where = canvases(padded)
    x[1, 5] = padded.config.pad_id
    scores = torch.cat([part.log_score for part in padded.model.log_scores(x, torch.ones(3), where)])
    c = scores.softmax(-1)[:, -1].view(3, 10)
    assert bool((c[[0, 2]] == 0).all()) and bool((c[1] > 0.5).all())
    assert bool((padded.model.log_score(x, torch.ones(3))[1, where[1], padded.config.pad_id] > -3).all())


@pytest.mark.parametrize(
    "options",
    [
        *({"sampler": entry.name} for entry in SAMPLERS if entry.name not in ("ancestral", "left-to-right")),
        {"sampler": "tweedie", "score": "raw"},
        *({"order": order, "per_call": 3} for order in ("confidence", "margin", "entropy", "left-to-right")),
        {"remask": "rescale", "eta": 0.5},
        {"remask": "confidence"},
        {"correct": 3, "block": 8},
        {"temperature": 0.5, "top_p": 0.9},
        {"temperature": 0.0},
        {"top_k": 1000},
    ],
    ids=str,
)
def test_every_way_to_write_draws_the_same_tokens(
    plain: Checkpoint, padded: Checkpoint, options: dict[str, object]
) -> None:
    settings = {"length": 16, "steps": 6, "seed": 3, "num_samples": 2, **options}
    texts, others = (generate(c, **settings) for c in (plain, padded))  # type: ignore[arg-type]
    assert [t.ids.tolist() for t in texts] == [t.ids.tolist() for t in others]
    assert padded.config.pad_id not in torch.stack([t.ids for t in others]).tolist()


def test_likelihoods_are_the_same(plain: Checkpoint, padded: Checkpoint) -> None:
    x0 = torch.arange(32).view(2, 16) * 5 % plain.config.tokens
    for estimator in ("ao", "lambda", "dwdse"):
        a, b = (
            estimate(c.model, c.process, c.noise, x0, estimator=estimator, replicates=2)  # type: ignore[arg-type]
            for c in (plain, padded)
        )
        torch.testing.assert_close(a.replicates, b.replicates, rtol=1e-6, atol=1e-5)


def test_an_excluded_logit_is_drawn_by_no_rule() -> None:
    logits = torch.tensor([[0.3, 0.1, -math.inf]])
    for options in ({}, {"temperature": 0.7}, {"top_p": 1 - 1e-12}, {"top_k": 3}, {"temperature": 0.0}):
        drawn = draw(logits, torch.tensor([1 - 2**-53]), LogitsProcessor(**options), num_top=3)  # type: ignore[arg-type]
        assert int(drawn.token) < 2 and math.isfinite(float(drawn.entropy))
        assert drawn.top is not None and float(drawn.top.probability[0, 2]) == 0


def test_on_disk(tmp_path: Path) -> None:
    """The tokenizer has a token fewer than the network; one of as many is another's."""
    tokenizer = make_tokenizer("bytes", [])
    folder = Path(shutil.copytree(PARITY / "radd", tmp_path / "padded"))
    enlarge_vocabulary(folder, tokenizer.size)
    padded = with_pad(load_checkpoint(folder))
    save_file(padded.model.backbone.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(padded.config.model_dump_json(exclude_none=True))
    (folder / "tokenizer.json").write_bytes(tokenizer.save())
    loaded = load_checkpoint(folder)
    assert loaded.config == padded.config and loaded.tokenizer is not None
    tokenizer.add_special("<|more|>")
    (folder / "tokenizer.json").write_bytes(tokenizer.save())
    with pytest.raises(NotLoadableError, match=r"has 258 tokens, config.json says 257 beside PAD"):
        load_checkpoint(folder)


def test_with_mask_among_the_tokens(plain: Checkpoint, tmp_path: Path) -> None:
    """PAD is then the last state, whatever the id of MASK."""
    folder = Path(shutil.copytree(PARITY / "radd", tmp_path / "middle"))
    config = json.loads((folder / "config.json").read_text()) | {"mask_id": 3}
    (folder / "config.json").write_text(json.dumps(config))
    middle = load_checkpoint(folder)
    padded = with_pad(middle)
    n = middle.config.tokens
    assert (padded.config.tokens, padded.config.pad_id, padded.mask_id) == (n + 1, n + 1, 3)
    assert int(padded.process.column_of(torch.tensor(n + 1))) == n
    x, where = canvases(middle)
    one, other = (
        torch.cat([s.log_score for s in c.model.log_scores(x, torch.ones(3), where)]) for c in (middle, padded)
    )
    torch.testing.assert_close(other[:, :-1], one, rtol=1e-6, atol=1e-6)


def test_what_has_as_many_dimensions_as_there_are_states_stays(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PARITY / "radd", tmp_path / "small"))
    enlarge_vocabulary(folder, 30)
    before = load_checkpoint(folder)
    after = with_pad(before).model.backbone.state_dict()
    stay = {n: t for n, t in before.model.backbone.state_dict().items() if t.shape == after[n].shape}
    assert any(t.shape == (len(after["output_layer.linear.bias"]),) for t in stay.values())
    assert [name for name, tensor in stay.items() if not torch.equal(tensor, after[name])] == []


@pytest.mark.parametrize("name", ["absorb", "uniform"])
def test_other_forms_have_none(name: str) -> None:
    with pytest.raises(UsageError, match="of form SEDD, cannot have a PAD state"):
        with_pad(load_checkpoint(PARITY / name))


def test_no_other_id_is_pads(padded: Checkpoint) -> None:
    table = padded.config.model_dump()
    for change in ({"pad_id": 3}, {"mask_id": padded.config.pad_id}, {"mask_id": padded.config.tokens}):
        with pytest.raises(ValueError, match="is not the last of the"):
            Config.model_validate(table | change)


def test_alone_and_together_it_scores_the_same(padded: Checkpoint) -> None:
    """On a CPU no bit depends on the batch, with rows that have a PAD and rows that have none."""
    x, where = canvases(padded)
    x[1, 5] = padded.config.pad_id
    rows = [slice(0, 3), *(slice(i, i + 1) for i in range(3))]
    together, *alone = (
        torch.cat([part.log_score for part in padded.model.log_scores(x[at], torch.ones(3)[at], where[at])])
        for at in rows
    )
    assert torch.equal(together, torch.cat(alone))
