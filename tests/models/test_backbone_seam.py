"""A network of another family, with MASK among its tokens, does all that the package does through the public functions.

The 60 lines of `Mixer` and its entry in the registry are all that it takes.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import tokenizers
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import decoders, models, pre_tokenizers
from torch import Tensor, nn

from sedd_cli import Checkpoint, NotLoadableError, generate, infill, load_checkpoint, score
from sedd_cli.generation.alternatives import alternatives
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.models.backbones import BACKBONES, BackboneType
from sedd_cli.models.backbones.attention import Attention, Memory
from sedd_cli.models.backbones.protocol import Backbone
from sedd_cli.models.config import Config, NetworkConfig
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.text.byte_level import END_OF_TEXT
from sedd_cli.training.loop import StepReport
from sedd_cli.training.recipe import make_recipe
from sedd_cli.training.session import TrainingSession

TOKENS, MASK, L = 257, 101, 32


class MixerBlock(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm, self.mix, self.out = nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        value, gate = self.mix(self.norm(x)).chunk(2, -1)
        out: Tensor = x + self.out(F.gelu(weights @ value) * gate)
        return out


class Mixer(Backbone):
    """Each position reads a mean of the others that falls off with the distance."""

    def __init__(self, config: NetworkConfig, states: int, mask_id: int | None) -> None:
        super().__init__()
        D = config.hidden_size
        self.time_conditioned, self.mask_id = False, mask_id
        self.tokens = nn.Embedding(states, D)
        self.blocks = nn.ModuleList(MixerBlock(D) for _ in range(config.n_blocks))
        self.norm, self.readout = nn.LayerNorm(D), nn.Linear(D, states)

    @property
    def embedding(self) -> nn.Parameter:
        weight = self.tokens.weight
        assert isinstance(weight, nn.Parameter)
        return weight

    def features(
        self,
        x: Tensor,
        sigma: Tensor,
        at: Tensor | None = None,
        where: Tensor | None = None,
        attention: Attention = "full",
        memory: Memory | None = None,
    ) -> Tensor:
        h, weights = self.tokens(x), self._weights(x.shape[1], attention)
        for block in self.blocks:
            h = block(h, weights)
        h = self.norm(h)
        if where is not None:
            h = h[where]
        return h if at is None else self._gather(h, at)

    def head(self, features: Tensor, every_state: bool = False) -> Tensor:
        out: Tensor = self.readout(features)
        if every_state or self.mask_id is None:
            return out
        return torch.cat([out[..., : self.mask_id], out[..., self.mask_id + 1 :]], -1)

    def block_output(self, hidden: Tensor, at: Tensor | None = None) -> Tensor:
        out: Tensor = self.blocks[-1](hidden, self._weights(hidden.shape[1], "full"))
        return out if at is None else self._gather(self.norm(out), at)

    def initialise(self, generator: torch.Generator) -> None:
        for name, p in self.named_parameters():
            if p.ndim == 2:
                nn.init.zeros_(p) if "readout" in name else nn.init.normal_(p, std=0.1, generator=generator)

    def quantised_layers(self) -> dict[str, Sequence[int]]:
        return {name: [] for name, module in self.named_modules() if isinstance(module, nn.Linear)}

    def _weights(self, length: int, attention: Attention) -> Tensor:
        i = torch.arange(length, device=self.embedding.device).float()
        falling = torch.exp(-(i[:, None] - i).abs() / 2)
        falling = falling.tril() if attention == "causal" else falling
        return falling / falling.sum(1, keepdim=True)

    def _gather(self, h: Tensor, at: Tensor) -> Tensor:
        return h.gather(1, at[..., None].expand(-1, -1, h.shape[-1]))


def bytes_and_mask() -> tokenizers.Tokenizer:
    """A token for each byte, end-of-text first, MASK among them."""
    names = [END_OF_TEXT, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names.insert(MASK, "<|mask|>")
    inner = tokenizers.Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([END_OF_TEXT, "<|mask|>"])
    return inner


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(BACKBONES, "mixer", BackboneType(__name__, "Mixer", time_conditioned=False))
    table = {
        "tokens": TOKENS,
        "mask_id": MASK,
        "noise": {"type": "loglinear"},
        "model": {"type": "mixer", "hidden_size": 32, "n_blocks": 2, "n_heads": 2, "length": L},
    }
    path = tmp_path / "mixer"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(table))
    bytes_and_mask().save(str(path / "tokenizer.json"))
    backbone = ScoreNetwork(Config.model_validate(table)).backbone
    generator = torch.Generator().manual_seed(0)
    backbone.initialise(generator)
    assert isinstance(backbone, Mixer)
    nn.init.normal_(backbone.readout.weight, std=0.3, generator=generator)
    save_file(backbone.state_dict(), path / "model.safetensors")
    return path


@pytest.fixture
def ckpt(folder: Path) -> Checkpoint:
    return load_checkpoint(folder)


def test_scores_stand_in_the_order_of_the_states(ckpt: Checkpoint) -> None:
    assert ckpt.mask_id == MASK and ckpt.process.states == TOKENS + 1 and ckpt.parameterization == "RADD"
    x = torch.arange(2 * L).view(2, L) * 7 % (TOKENS + 1)
    x[:, ::3] = MASK
    sigma, where = torch.tensor([0.5, 2.0]), x == MASK
    log_score = ckpt.model.log_score(x, sigma)
    assert log_score.shape == (2, L, TOKENS + 1) and bool((log_score[where][:, MASK] == 0).all())
    assert torch.equal(log_score[~where].argmax(-1), x[~where])
    scored = list(ckpt.model.log_scores(x, sigma, where))
    columns = torch.cat([part.log_score for part in scored])
    torch.testing.assert_close(columns, ckpt.process.columns(log_score[where]))
    sums = columns.exp().sum(-1) * torch.expm1(sigma)[torch.cat([part.row for part in scored])]
    torch.testing.assert_close(sums, torch.ones_like(sums))


@pytest.mark.parametrize("sampler", ["tweedie", "euler", "first-hitting"])
def test_it_generates(ckpt: Checkpoint, sampler: str) -> None:
    samples = generate(ckpt, seed=0, steps=8, num_samples=3, sampler=sampler, batch_size=3, prompt="so")  # type: ignore[arg-type]
    ids = torch.stack([sample.ids for sample in samples])
    assert not bool((ids == MASK).any()) and int(ids.max()) > MASK
    (alone,) = generate(ckpt, seed=0, steps=8, row=2, sampler=sampler, prompt="so")  # type: ignore[arg-type]
    assert torch.equal(alone.ids, ids[2]) and samples[2].text.startswith("so")


def test_it_fills_a_gap(ckpt: Checkpoint) -> None:
    document = "a dog and a cat"
    filling = infill(ckpt, document, [(2, 5)], seed=0, steps=8)[0]
    assert filling.text.startswith("a ") and filling.text.endswith(" and a cat") and "mask" not in filling.text


def test_it_lists_alternatives_by_their_ids(ckpt: Checkpoint) -> None:
    run = Run(ckpt, Request(length=12, seed=0))
    state = run.start(0)
    listed = alternatives(ckpt, state, 4, TOKENS)
    assert sorted(listed.tokens) == [i for i in range(TOKENS + 1) if i != MASK] and listed.current is None
    p = ckpt.model.log_score(state.ids[None], torch.tensor([1.0]))[0, 4].index_fill(0, torch.tensor(MASK), -torch.inf)
    torch.testing.assert_close(torch.tensor(listed.probability), p.softmax(0)[listed.tokens], rtol=1e-4, atol=1e-7)


def test_it_scores(ckpt: Checkpoint) -> None:
    text = "the cat, {z}"
    assert ckpt.tokenizer is not None and max(ckpt.tokenizer.encode(text)) > MASK
    exact = score(ckpt, text, order="left-to-right")
    x = torch.tensor([ckpt.tokenizer.encode(text)])
    expected = 0.0
    for i, token in enumerate(x[0].tolist()):
        seen = torch.where(torch.arange(x.shape[1]) < i, x, MASK)
        columns = ckpt.process.columns(ckpt.model.log_score(seen, torch.tensor([1.0]))[0, i])
        expected -= float(columns.log_softmax(0)[int(ckpt.process.column_of(torch.tensor(token)))])
    assert exact.nats == pytest.approx(expected, rel=1e-4)
    bound = score(ckpt, text, replicates=8)
    assert bound.form == "ao" and 0.5 * exact.nats < bound.nats < 2 * exact.nats


def test_it_trains(folder: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n\n".join(f"{name} ran to the {name} and sat" for name in 20 * ["a cat", "a dog", "a hen"]))
    table = {
        "start": str(folder),
        "batch_size": 8,
        "micro_batch": 8,
        "data": {"train": str(corpus)},
        "optimiser": {"name": "muon"},
        "phases": [{"objective": "autoregressive", "steps": 4}, {"objective": "simple", "steps": 40}],
        "report": {"steps": 1, "canvases": 4, "replicates": 2},
    }
    session = TrainingSession(make_recipe(table, [], "test"), tmp_path / "run", torch.device("cpu"))
    losses = [event.loss for event in session.events() if isinstance(event, StepReport)]
    assert sum(losses[-5:]) / 5 < 0.8 * losses[4]
    trained = load_checkpoint(tmp_path / "run")
    assert isinstance(trained.model.backbone, Mixer) and trained.mask_id == MASK
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["model"]["mask_id"] == MASK
    (sample,) = generate(trained, seed=0, steps=8)
    assert not bool((sample.ids == MASK).any())


def test_it_runs_in_int8(folder: Path, ckpt: Checkpoint) -> None:
    rounded = load_checkpoint(folder, dtype="int8")
    assert rounded.precision == "int8" and not [m for m in rounded.model.modules() if isinstance(m, nn.Linear)]
    x, sigma = torch.full((1, L), MASK), torch.ones(1)
    x[:, ::2] = torch.arange(L // 2)
    where = x == MASK
    exact, near = (next(iter(c.model.log_scores(x, sigma, where))).log_score for c in (ckpt, rounded))
    assert 0 < float((exact - near).abs().mean()) < 0.1
    generate(rounded, seed=0, steps=4)


def test_an_unknown_type_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model"]["type"] = "perceptron"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotLoadableError, match="Input should be 'ddit', 'ddit_wot', 'llama' or 'mixer'"):
        load_checkpoint(folder)
    config["model"]["type"], config["mask_id"] = "mixer", TOKENS + 1
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotLoadableError, match="mask_id 258 is no state"):
        load_checkpoint(folder)
