"""Networks that read by blocks: what is kept of finished blocks changes no bit, and attention is block-causal."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sedd_cli import (
    Checkpoint,
    Gap,
    NotLoadableError,
    UsageError,
    generate,
    infill,
    load_checkpoint,
    score,
    stream,
)
from sedd_cli.diffusion.network import TrainedBlocks
from sedd_cli.models.backbones.attention import Reach
from sedd_cli.models.block_memory import BlockMemory
from sedd_cli.training.recipe import make_recipe
from tests.conftest import PARITY
from tests.models.other_families import change, save_random
from tests.models.test_backbone_seam import MASK, bytes_and_mask
from tests.models.test_formats import BY_BLOCKS, changed

SIZE, L = 8, 40
both = pytest.mark.parametrize("name", BY_BLOCKS)


def scores(ckpt: Checkpoint, x: Tensor, where: Tensor) -> Tensor:
    scored = ckpt.model.log_scores(x, torch.full((len(x),), 0.5), where)
    return torch.cat([part.log_score for part in scored])


def masked(ckpt: Checkpoint, rows: int = 3, length: int = L) -> tuple[Tensor, Tensor]:
    """Canvases of which some of the last block is MASK, and where."""
    x = torch.randint(0, 50, (rows, length), generator=torch.Generator().manual_seed(length))
    where = torch.zeros_like(x, dtype=torch.bool)
    where[:, length - SIZE + 1 :: 2] = True
    return x.masked_fill(where, ckpt.mask_id or 0), where


def written(ckpt: Checkpoint, forget: Callable[[], None]) -> list[Tensor]:
    """The scores of each call of a run by blocks that writes two positions a call."""
    x, out = torch.full((1, L), ckpt.mask_id or 0), []
    for end in range(SIZE, L + 1, SIZE):
        while (x[:, :end] == ckpt.mask_id).any():
            where = (x[:, :end] == ckpt.mask_id).clone()
            where[:, int(where.int().argmax()) + 2 :] = False
            out.append(scores(ckpt, x[:, :end], where))
            x[:, :end][where] = out[-1].argmax(-1)
            forget()
    return out


@both
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_keeping_changes_no_bit(name: str, dtype: str) -> None:
    ckpt, other = (load_checkpoint(PARITY / name, dtype=dtype) for _ in range(2))
    memory = other.model._finished
    assert memory is not None and ckpt.model._finished is not None
    kept, anew = written(ckpt, lambda: None), written(other, memory.clear)
    assert len(kept) == len(anew) == L // 2 and all(torch.equal(a, b) for a, b in zip(kept, anew, strict=True))
    assert len(ckpt.model._finished._kept) == L // SIZE - 1


@both
def test_little_room_changes_no_bit(name: str) -> None:
    ckpt, other = (load_checkpoint(PARITY / name) for _ in range(2))
    assert other.model.reach is not None
    other.model._finished = memory = BlockMemory(other.model.backbone, other.model.reach, limit=1)
    assert all(
        torch.equal(a, b) for a, b in zip(written(ckpt, lambda: None), written(other, lambda: None), strict=True)
    )
    assert not memory._kept and memory._bytes == 0


@both
def test_a_block_is_found_by_all_tokens_before_its_end(name: str) -> None:
    ckpt, fresh = (load_checkpoint(PARITY / name) for _ in range(2))
    x, where = masked(ckpt)
    before = scores(ckpt, x, where)
    for position in (0, SIZE, L - SIZE - 1):
        x[1, position] = 51
        after = scores(ckpt, x, where)
        assert fresh.model._finished is not None
        fresh.model._finished.clear()
        assert torch.equal(after, scores(fresh, x, where)) and not torch.equal(after, before)
        before = after


@both
def test_it_is_one_masked_pass(name: str) -> None:
    ckpt = load_checkpoint(PARITY / name)
    x, where = masked(ckpt)
    real = torch.arange(ckpt.process.states) != ckpt.mask_id
    whole = ckpt.model.log_score(x, torch.full((3,), 0.5))[where][:, real]
    assert torch.allclose(scores(ckpt, x, where), whole, rtol=1e-4, atol=1e-4)


@both
def test_rows_do_not_depend_on_each_other(name: str) -> None:
    ckpt = load_checkpoint(PARITY / name)
    x, where = masked(ckpt)
    together = scores(ckpt, x, where)
    assert torch.equal(together, torch.cat([scores(ckpt, x[[i]], where[[i]]) for i in range(3)]))


@both
def test_rows_of_an_accelerator_run_together(name: str) -> None:
    """The same path, on a CPU; the second row is kept already."""
    ckpt = load_checkpoint(PARITY / name)
    x, where = masked(ckpt)
    alone = scores(ckpt, x, where)
    assert ckpt.model._finished is not None
    for kept in (slice(1, 2), slice(0, 3)):
        ckpt.model._finished.clear()
        scores(ckpt, x[kept], where[kept])
        together = ckpt.model._log_scores(x, torch.full((3,), 0.5), where, torch.arange(3))
        scored = torch.cat([part.log_score for part in together])
        assert torch.allclose(scored, alone, rtol=1e-4, atol=1e-4)


@both
def test_tokens_of_later_blocks_are_not_read(name: str) -> None:
    ckpt = load_checkpoint(PARITY / name)
    x, where = masked(ckpt)
    longer = torch.cat([x, torch.full((3, 5), 7)], 1)
    assert torch.equal(scores(ckpt, x, where), scores(ckpt, longer, torch.nn.functional.pad(where, (0, 5))))


def test_bfloat16() -> None:
    exact, near = (load_checkpoint(PARITY / "a2d-qwen3-block8") for _ in range(2))
    near.model.autocast = torch.bfloat16
    x, where = masked(exact)
    first = scores(near, x, where)
    assert near.model._finished is not None
    assert {row.dtype for row in near.model._finished._kept.values()} == {torch.bfloat16}
    near.model._finished.clear()
    assert torch.equal(first, scores(near, x, where))
    assert 0 < float((first - scores(exact, x, where)).abs().mean()) < 0.1


@both
def test_beyond_the_trained_length_a_block_sees_as_much_as_it_was_trained_on(name: str, tmp_path: Path) -> None:
    folder = changed(PARITY / name, tmp_path, model_length=24, max_position_embeddings=24)
    ckpt = load_checkpoint(folder)
    assert ckpt.model.reach == Reach(SIZE, 3)
    x, where = masked(ckpt)
    banded = ckpt.model.log_score(x, torch.full((3,), 0.5))[where][:, torch.arange(ckpt.process.states) != ckpt.mask_id]
    assert torch.allclose(scores(ckpt, x, where), banded, rtol=1e-4, atol=1e-4)
    wide = load_checkpoint(PARITY / name)
    assert not torch.allclose(scores(wide, x, where), banded, rtol=1e-3, atol=1e-3)


def test_the_mask_is_banded() -> None:
    rows = Reach(2, 2).mask(6, torch.device("cpu"))
    assert isinstance(rows, Tensor)
    assert ["".join("x" if seen else "." for seen in row) for row in rows.tolist()] == [
        "xx....",
        "xx....",
        "xxxx..",
        "xxxx..",
        "..xxxx",
        "..xxxx",
    ]


def test_one_block_of_the_whole_canvas_is_full_attention(tmp_path: Path) -> None:
    folder = changed(PARITY / "bd3lm", tmp_path, block_size=64)
    assert load_checkpoint(folder).model.reach is None
    change(folder, block_size=8, cross_attn=False)
    assert load_checkpoint(folder).model.reach is None


def test_norms_need_not_be_adaptive(tmp_path: Path) -> None:
    """Adaptive ones that change nothing are left out of a folder."""
    folder = changed(PARITY / "bd3lm", tmp_path, adaln=False)
    weights, logits = load_file(folder / "model.safetensors"), []
    for name, tensor in weights.items():
        if "adaLN_modulation" in name:
            tensor.zero_()
            if name.endswith("bias") and len(tensor) == 6 * 32:
                tensor.view(6, -1)[[2, 5]] = 1.0
    plain = {name: t for name, t in weights.items() if "adaLN_modulation" not in name and "sigma_map" not in name}
    for stored in (weights, plain):
        save_file(stored, folder / "model.safetensors")
        ckpt = load_checkpoint(folder)
        logits.append(ckpt.model.backbone(masked(ckpt)[0], torch.zeros(3)))
    assert torch.equal(*logits)


def test_block_sizes_that_no_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = changed(PARITY / "a2d-qwen3", tmp_path)
    snapshot = tmp_path / "models--dllm-hub--Qwen3-0.6B-diffusion-bd3lm-v0.1" / "snapshots" / "0"
    assert load_checkpoint(shutil.copytree(folder, snapshot)).blocks == TrainedBlocks(32)
    monkeypatch.chdir(snapshot)
    assert load_checkpoint(".").blocks == TrainedBlocks(32)
    with pytest.raises(NotLoadableError, match="by which blocks"):
        load_checkpoint(shutil.copytree(folder, tmp_path / "my-bd3lm"))


@pytest.fixture(scope="module")
def by_blocks(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A random network over bytes that was trained by blocks."""
    keys = {"mask_token_id": MASK, "eos_token_id": 0, "max_position_embeddings": 64, "block_size": SIZE}
    return load_checkpoint(save_random(tmp_path_factory.mktemp("blocks") / "bytes", bytes_and_mask(), **keys))


@pytest.fixture(scope="module")
def opened(by_blocks: Checkpoint) -> Checkpoint:
    """The same whose position 0 was never noised."""
    return replace(by_blocks, config=by_blocks.config.model_copy(update={"opens_with_end": True}))


def test_texts_do_not_depend_on_what_is_kept_or_on_the_batch(by_blocks: Checkpoint) -> None:
    memory, texts = by_blocks.model._finished, []
    assert memory is not None
    for batch_size in (1, 2):
        memory.clear()
        texts.append(
            [s.ids for s in generate(by_blocks, length=L, steps=10, seed=1, num_samples=2, batch_size=batch_size)]
        )
        assert len(memory._kept) == 2 * (L // SIZE - 1)
    assert all(torch.equal(a, b) for a, b in zip(*texts, strict=True))
    assert not any((ids == MASK).any() for ids in texts[0])


def test_blocks_are_written_from_left_to_right(by_blocks: Checkpoint) -> None:
    steps = list(stream(by_blocks, prompt="a cat", length=L, steps=10, seed=3))
    blocks = [int(step.changed[-1]) // SIZE for step in steps]
    assert blocks == sorted(blocks) and blocks[-1] == L // SIZE - 1


def test_a_gap_at_the_end_is_filled(by_blocks: Checkpoint) -> None:
    document = "a cat sat on a mat\n"
    fillings = infill(by_blocks, document, [(9, 18)], seed=0, steps=8, num_samples=2)
    assert all(f.text.startswith(document[:9]) and f.text.endswith("\n") and f.nats > 0 for f in fillings)


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda ckpt: infill(ckpt, "a cat sat", [(2, 5)]), "cannot know what stands after a gap"),
        (lambda ckpt: infill(ckpt, "a cat", [Gap(2, 5, tokens="auto")]), "by what stands after it"),
        (lambda ckpt: generate(ckpt, suffix="the end", length=32), "cannot know what stands after a gap"),
        (lambda ckpt: score(ckpt, "a cat", pseudo=True), "reads by blocks"),
        (
            lambda ckpt: make_recipe({"start": str(ckpt.folder)}, [], "test"),
            "blocks of 8: such networks are not trained",
        ),
    ],
    ids=["gap", "length", "suffix", "pseudo", "training"],
)
def test_what_it_cannot_do_is_named(
    by_blocks: Checkpoint, refused: Callable[[Checkpoint], object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        refused(by_blocks)


def test_a_text_is_scored_by_blocks(by_blocks: Checkpoint) -> None:
    text = "a cat sat on it"
    exact, bound = score(by_blocks, text, order="left-to-right"), score(by_blocks, text, replicates=16)
    assert exact.per_token.shape == bound.per_token.shape == (len(text),)
    ids, nats = bound.ids[None], []
    for i in range(len(text)):
        x = ids.clone()
        x[:, i:] = MASK
        logits = by_blocks.model.backbone(x, torch.zeros(1))[0, i]
        logits[MASK] = -torch.inf
        nats.append(-float(logits.log_softmax(-1)[ids[0, i]]))
    assert exact.per_token.tolist() == pytest.approx(nats, rel=1e-4)
    assert bound.form == "ao" and 0.5 * exact.nats < bound.nats < 2 * exact.nats


def test_position_0_that_was_never_noised_holds_end_of_text(opened: Checkpoint) -> None:
    (sample,) = generate(opened, length=16, steps=4, seed=0)
    assert sample.ids[0] == 0 and opened.blocks == TrainedBlocks(SIZE, opening=0)
    assert "endoftext" not in sample.text
    assert generate(opened, prompt="a", length=16, steps=4, seed=0)[0].text.startswith("a")
    ids = score(opened, "a cat", order="left-to-right").ids
    assert len(ids) == len("a cat")
    filling = infill(opened, "a cat", [(0, 5)], seed=0, steps=4)[0]
    assert filling.spans == [(0, len(filling.text))]
