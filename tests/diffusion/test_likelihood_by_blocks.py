"""Bounds of networks by blocks: the sum over blocks, each given those before it, against the enumerated one."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sedd_cli.diffusion.likelihood import estimate, ordered_nats
from sedd_cli.diffusion.names import Estimator
from sedd_cli.diffusion.network import Scored, TrainedBlocks
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.diffusion.schedules import LogLinear
from tests.diffusion.oracle import Oracle, Space, randn

TOKENS, L, SIZE = 3, 5, 2
PROCESS, SPACE = Absorbing(TOKENS), Space(TOKENS, L, seed=70)
X0 = SPACE.canvases()[int(SPACE.p0.argmax())]
COPIES = 4000


@dataclass
class ByBlocks:
    """The true conditionals given a block's tokens and those before it, spoilt by a `tilt` (L, tokens).

    It refuses what a network by blocks never sees: positions to score in two blocks, noise in a block before.
    """

    tilt: Tensor
    opening: int | None = None

    def log_c(self, x: Tensor) -> Tensor:
        """(B, n) -> (B, n, tokens)."""
        x = F.pad(x, (0, L - x.shape[1]), value=PROCESS.mask_id)
        return (SPACE.conditional(x).log() + self.tilt).log_softmax(-1)

    def log_scores(self, x: Tensor, sigma: Tensor, where: Tensor) -> Iterator[Scored]:
        row, position = where.nonzero().unbind(1)
        (block,) = set((position // SIZE).tolist())
        x = x[:, : (block + 1) * SIZE]
        assert not (x[:, : block * SIZE] == PROCESS.mask_id).any()
        if self.opening is not None:
            assert (x[:, 0] == self.opening).all()
            x, position = x[:, 1:], position - 1
        yield Scored(row, position + (self.opening is not None), self.log_c(x)[row, position])


def exact(network: ByBlocks, opened: int = 0) -> float:
    """The any-order bound of `X0`: the mean over numbers of MASKs, and over their places, in each block."""
    total = 0.0
    edges = [0, *range(SIZE - opened, L, SIZE), L]
    for begin, end in pairwise(edges):
        n = end - begin
        for k in range(1, n + 1):
            places = [list(p) for p in combinations(range(begin, end), k)]
            for place in places:
                x = X0[:end].clone()
                x[place] = PROCESS.mask_id
                nats = -network.log_c(x[None])[0, place, X0[place]].sum()
                total += float(nats) / k / len(places)
    return total


@pytest.mark.parametrize("estimator", ["ao", "lambda"])
@pytest.mark.parametrize("tilt", [0.0, 0.6], ids=["true", "spoilt"])
def test_the_bound_is_the_sum_over_blocks(tilt: float, estimator: Estimator) -> None:
    network = ByBlocks(tilt * randn(L, TOKENS, seed=71))
    truth = exact(network)
    assert (truth == pytest.approx(-float(SPACE.probability(X0).log()))) == (tilt == 0)
    result = estimate(
        *(network, PROCESS, LogLinear(), X0.expand(COPIES, -1)),
        estimator=estimator,
        batch_size=COPIES,
        blocks=TrainedBlocks(SIZE),
    )
    error = result.standard_error / COPIES
    assert error < 0.04 and float(result.nats.mean()) == pytest.approx(truth, abs=4.5 * error)
    assert torch.allclose(result.per_token.sum(1), result.nats)
    assert torch.allclose(result.nats_at.mean(1), result.replicates)


def test_a_token_may_stand_before_the_first() -> None:
    """Blocks then begin one position earlier."""
    network = ByBlocks(0.6 * randn(L, TOKENS, seed=71), opening=2)
    result = estimate(
        *(network, PROCESS, LogLinear(), X0.expand(COPIES, -1)),
        estimator="ao",
        batch_size=COPIES,
        blocks=TrainedBlocks(SIZE, opening=2),
    )
    error = result.standard_error / COPIES
    assert result.per_token.shape == (COPIES, L)
    assert float(result.nats.mean()) == pytest.approx(exact(network, opened=1), abs=4.5 * error)
    order, blocks = torch.arange(L), TrainedBlocks(SIZE, opening=2)
    nats = ordered_nats(network, PROCESS, LogLinear(), X0, order, batch_size=1, blocks=blocks)
    plain = ordered_nats(Tilted(network.tilt), PROCESS, LogLinear(), X0, order, batch_size=1)
    assert torch.allclose(nats, plain)


class Tilted(Oracle):
    """The same conditionals of whole canvases."""

    def __init__(self, tilt: Tensor) -> None:
        super().__init__(SPACE, PROCESS, tilt=tilt, normalised=True)


def test_only_tokens_that_count_are_noised_and_summed() -> None:
    network = ByBlocks(torch.zeros(L, TOKENS))
    where = torch.tensor([[False, False, False, True, True], [False] * 3 + [True, False]])
    x0 = X0.expand(2, -1)
    settings = {"estimator": "ao", "where": where, "replicates": 200}
    result = estimate(network, PROCESS, LogLinear(), x0, blocks=TrainedBlocks(SIZE), **settings)  # type: ignore[arg-type]
    assert (result.per_token[~where] == 0).all() and (result.levels <= 1).all()
    given = [float(SPACE.probability(F.pad(X0[:n], (0, L - n), value=TOKENS)).log()) for n in (3, 4, 5)]
    assert float(result.nats[1]) == pytest.approx(given[0] - given[1])
    assert float(result.nats[0]) == pytest.approx(given[0] - given[2], abs=1e-6)
