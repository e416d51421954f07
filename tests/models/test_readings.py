"""What a network's logits are read as: the law of x0 of a D3PM, the next token of a causal one."""

from itertools import product

import pytest
import torch
from torch import Tensor

from sedd_cli import UsageError
from sedd_cli.diffusion.d3pm import make_chain
from sedd_cli.diffusion.likelihood import estimate
from sedd_cli.diffusion.schedules import Discrete, LogLinear
from sedd_cli.models.config import Config
from sedd_cli.models.network import ScoreNetwork

TOKENS, L = 5, 4


def network_of(graph: str, kind: str, **more: object) -> ScoreNetwork:
    """A random network with weights large enough for its output to be far from even."""
    config = Config.model_validate(
        {
            "tokens": TOKENS,
            "graph": {"type": graph},
            "noise": {"type": "loglinear"},
            "model": {
                "type": kind,
                "hidden_size": 16,
                "n_heads": 2,
                "n_blocks": 2,
                "length": L,
                "scale_by_sigma": graph == "absorb",
            },
            **more,
        }
    )
    torch.manual_seed(0)
    network = ScoreNetwork(config).eval().requires_grad_(False)
    for p in network.parameters():
        p.add_(0.3 * torch.randn(p.shape))
    return network


@pytest.mark.parametrize("graph", ["absorb", "uniform"])
def test_what_a_d3pm_says_of_x0_is_read_back_from_its_score(graph: str) -> None:
    network = network_of(graph, "ddit", d3pm={"steps": 50})
    chain = make_chain(network.process, Discrete(LogLinear(), 50))
    x = torch.randint(TOKENS, (50, L), generator=torch.Generator().manual_seed(1))
    x = x if graph == "uniform" else torch.full_like(x, TOKENS)
    t = torch.arange(1, 51)
    sigma = chain.sigma(t)
    everywhere = list(network.log_scores(x, sigma, torch.ones_like(x, dtype=torch.bool)))
    log_score = torch.cat([s.log_score for s in everywhere]).double()
    each = t.repeat_interleave(L)
    logits = network.backbone(x, sigma.float())[..., :TOKENS].flatten(0, 1)
    expected = logits.double().log_softmax(-1)
    assert float((expected.exp().amax(1) - expected.exp().amin(1)).mean()) > 0.2
    found = chain.conditional(log_score, x.flatten(), each)
    torch.testing.assert_close(found.exp(), expected.exp(), rtol=1e-4, atol=1e-7)
    if graph == "uniform":
        dense = network.log_score(x, sigma).flatten(0, 1)
        torch.testing.assert_close(dense.double(), log_score, rtol=1e-4, atol=1e-5)
        assert bool((dense.gather(1, x.flatten()[:, None]) == 0).all())


def all_canvases() -> Tensor:
    return torch.tensor(list(product(range(TOKENS), repeat=L)))


@pytest.mark.parametrize("kind", ["ddit_wot", pytest.param("ddit", marks=pytest.mark.slow)])
def test_a_causal_network_is_a_law_and_reads_nothing_after(kind: str) -> None:
    network = network_of("causal", kind)
    x = all_canvases()
    result = estimate(network, network.process, LogLinear(), x, estimator="autoregressive", batch_size=64)
    p = (-result.nats).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-4)
    assert float(p.max() / p.min()) > 10
    canvas, sigma = x[[77]], torch.zeros(1)
    for i in range(L):
        one = torch.arange(L)[None] == i
        spoilt = torch.where(torch.arange(L) >= i, TOKENS, canvas)
        laws = [next(iter(network.log_scores(ids, sigma, one))).log_score for ids in (canvas, spoilt)]
        assert torch.equal(*laws)
        assert float(laws[0].exp().sum()) == pytest.approx(1, abs=1e-5)
        assert float(-laws[0][0, canvas[0, i]]) == pytest.approx(float(result.per_token[77, i]), abs=1e-5)


def test_a_causal_network_has_no_score() -> None:
    network = network_of("causal", "ddit_wot")
    with pytest.raises(UsageError, match="no score"):
        network.log_score(torch.zeros(1, L, dtype=torch.int64), torch.ones(1))


@pytest.mark.parametrize("kind", ["ddit_wot", "ddit"])
def test_a_causal_canvas_depends_on_no_other_of_its_batch(kind: str) -> None:
    """Bit for bit, also where canvases are known to different lengths."""
    length, rows = 64, 6
    network = network_of("causal", kind)
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(TOKENS, (rows, length), generator=generator)
    where = torch.arange(length) < torch.tensor([3, 64, 17, 40, 64, 1])[:, None]
    sigma = torch.zeros(rows)

    def scores(some: slice) -> Tensor:
        return torch.cat([s.log_score for s in network.log_scores(x[some], sigma[some], where[some])])

    apart = [scores(slice(row, row + 1)) for row in range(rows)]
    assert torch.equal(scores(slice(None)), torch.cat(apart))
