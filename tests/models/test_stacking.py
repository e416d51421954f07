"""Canvases that run together on a CPU: no bit of what any of them comes to may change."""

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from sedd_cli import Checkpoint, load_checkpoint
from sedd_cli.models.stacking import Stacking
from tests.conftest import PARITY


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def two_blocks() -> Checkpoint:
    """A network as wide as the built-in one, of a block in the middle and the last."""
    ckpt = load_checkpoint()
    ckpt.model.backbone.blocks = ckpt.model.backbone.blocks[:2]
    return ckpt


def scores(ckpt: Checkpoint, x: Tensor, where: Tensor) -> list[tuple[int, Tensor, Tensor]]:
    scored = ckpt.model.log_scores(x, torch.full((len(x),), 0.5), where)
    return [(int(s.row[0]), s.position, s.log_score) for s in scored]


@pytest.mark.parametrize(
    ("length", "rows"),
    [
        (16, 15),
        (64, 8),
        (256, 3),
        pytest.param(40, 7, marks=pytest.mark.slow),
        pytest.param(128, 5, marks=pytest.mark.slow),
    ],
)
def test_a_canvas_comes_out_as_it_does_alone(two_blocks: Checkpoint, threads: int, length: int, rows: int) -> None:
    generator = torch.Generator().manual_seed(length)
    x = torch.randint(two_blocks.config.tokens, (rows, length), generator=generator)
    # One position, few, more than one chunk, all: and a canvas with none.
    counts = torch.tensor([1, 3, 1, 2, 90, 1, 0, length]).repeat(2)[:rows, None]
    where = torch.rand(x.shape, generator=generator).argsort(1) < counts
    x[where] = two_blocks.config.tokens
    together = scores(two_blocks, x, where)
    alone = [scores(two_blocks, x[i : i + 1], where[i : i + 1]) for i in range(rows)]
    assert [row for row, _, _ in together] == [i for i in range(rows) for _ in alone[i]]
    for mine, other in zip(together, (chunk for row in alone for chunk in row), strict=True):
        assert torch.equal(mine[1], other[1]) and torch.equal(mine[2], other[2])


def stacks(ckpt: Checkpoint, counts: list[int], length: int) -> list[int]:
    """How many canvases run together each time."""
    found = ckpt.model._stacking.stacks(range(len(counts)), counts, length, ckpt.model._plain_head)
    return [len(stack) for stack in found]


def test_short_canvases_do_run_together(built_in: Checkpoint, threads: int) -> None:
    assert stacks(built_in, [1] * 7 + [20] * 4, 64) == [4, 2, 1, 4]
    assert stacks(built_in, [1, 1], 512) == [1, 1]


def test_nothing_runs_together_where_a_bit_would_differ(built_in: Checkpoint) -> None:
    uneven = Stacking(built_in.model.backbone)
    found = uneven.stacks([0, 1, 2], [1, 1, 1], 64, lambda features: features * len(features))
    assert list(found) == [[0], [1], [2]]


def test_rows_with_their_own_noise_run_alone() -> None:
    assert stacks(load_checkpoint(PARITY / "absorb"), [1, 1], 24) == [1, 1]


def test_what_was_measured_does_not_keep_a_network_alive() -> None:
    ckpt = load_checkpoint(PARITY / "radd")
    x = torch.full((2, 24), ckpt.config.tokens)
    scores(ckpt, x, x == ckpt.config.tokens)
    model = weakref.ref(ckpt.model)
    gc.disable()
    try:
        del ckpt
        assert model() is None
    finally:
        gc.enable()
