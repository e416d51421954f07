"""Networks that read by blocks: what is kept of finished blocks changes no bit, and attention is block-causal."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sedd_cli import Checkpoint, NotLoadableError, load_checkpoint
from sedd_cli.diffusion.network import TrainedBlocks
from sedd_cli.models.backbones.attention import Reach
from sedd_cli.models.block_memory import BlockMemory
from tests.conftest import PARITY
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
@pytest.mark.parametrize("dtype", ["float32", "int8"])
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
    assert load_checkpoint(changed(PARITY / "bd3lm", tmp_path, block_size=64)).model.reach is None


def test_block_sizes_that_no_file_holds(tmp_path: Path) -> None:
    folder = changed(PARITY / "a2d-qwen3", tmp_path)
    snapshot = tmp_path / "models--dllm-hub--Qwen3-0.6B-diffusion-bd3lm-v0.1" / "snapshots" / "0"
    assert load_checkpoint(shutil.copytree(folder, snapshot)).blocks == TrainedBlocks(32)
    with pytest.raises(NotLoadableError, match="by which blocks"):
        load_checkpoint(shutil.copytree(folder, tmp_path / "my-bd3lm"))
