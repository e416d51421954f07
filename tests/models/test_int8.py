"""int8 on a CPU: the layers against float32 ones, whole networks, and machines whose products saturate."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sedd_cli import Checkpoint, generate, load_checkpoint
from sedd_cli.errors import UsageError
from sedd_cli.models.backbones.layers import Linear
from sedd_cli.models.device import resolve_precision
from sedd_cli.models.int8 import Int8Linear, has_exact_products
from tests.conftest import PARITY


def layer(K: int, N: int, seed: int, bias: bool = True) -> Linear:
    generator = torch.Generator().manual_seed(seed)
    linear = Linear(K, N, bias=bias).requires_grad_(False)
    linear.weight.normal_(generator=generator)
    # Outputs of very different sizes: one step for all of them would not do.
    linear.weight.mul_(torch.logspace(-3, 3, N)[:, None])
    if bias:
        linear.bias.normal_(generator=generator)
    return linear


def inputs(*shape: int, seed: int) -> Tensor:
    """Rows of very different sizes."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x * torch.rand(*shape[:-1], 1, generator=torch.Generator().manual_seed(seed)).mul(20).sub(10).exp()


def rounding(x: Tensor, linear: nn.Linear) -> Tensor:
    """How far int8 can be off: half a step of each input and of each weight, and their product."""
    step_x = x.double().abs().amax(-1, keepdim=True) / 127 / 2
    weight = linear.weight.double()
    step_w = weight.abs().amax(-1) / 127 / 2
    by_input, by_weight = step_x * weight.abs().sum(-1), x.double().abs().sum(-1, keepdim=True) * step_w
    return by_input + by_weight + x.shape[-1] * step_x * step_w


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(0, 40), K=st.integers(1, 100), N=st.integers(1, 50), seed=st.integers(0, 2**31), bias=st.booleans()
)
def test_a_layer_is_off_by_its_rounding_at_most(rows: int, K: int, N: int, seed: int, bias: bool) -> None:
    linear, x = layer(K, N, seed, bias), inputs(rows, K, seed=seed)
    out = Int8Linear(linear)(x)
    exact = nn.functional.linear(x.double(), linear.weight.double(), linear.bias.double() if bias else None)
    assert out.shape == (rows, N) and out.dtype == torch.float32
    assert bool(((out - exact).abs() <= rounding(x, linear) * (1 + 1e-4) + 1e-5 * exact.abs() + 1e-6).all())


def test_what_is_on_the_grid_is_exact() -> None:
    linear = Linear(300, 7).requires_grad_(False)
    linear.weight.copy_(torch.randint(-127, 128, (7, 300)))
    linear.weight[:, 0] = torch.tensor([127.0, -127.0] * 3 + [127.0])
    x = torch.randint(-127, 128, (3, 5, 300)).float()
    x[..., 1] = 127.0
    torch.testing.assert_close(Int8Linear(linear)(x), linear(x), rtol=1e-6, atol=1e-3)
    # The largest values there are, where a product of 16 bits would saturate.
    linear.weight.fill_(127.0)
    torch.testing.assert_close(Int8Linear(linear)(torch.full((1, 300), -127.0)), linear(torch.full((1, 300), -127.0)))


def test_rows_of_zeros_and_what_is_not_finite() -> None:
    linear = layer(8, 3, seed=0)
    x = torch.zeros(4, 8)
    x[1, 2], x[2, 0], x[3] = torch.nan, torch.inf, 1e-38
    out = Int8Linear(linear)(x)
    torch.testing.assert_close(out[[0, 3]], linear.bias.expand(2, 3))
    assert not bool(out[1:3].isfinite().any())


@pytest.mark.parametrize("shape", [(1, 64), (17, 64), (2, 9, 64), (0, 64)])
def test_ranges_of_outputs_are_the_whole_bit_for_bit(shape: tuple[int, ...]) -> None:
    linear, x = layer(64, 30, seed=1), inputs(*shape, seed=2)
    cut, uncut = Int8Linear(linear, [10, 29]), Int8Linear(linear)
    whole = uncut(x)
    assert torch.equal(cut(x), whole)
    for begin, end in ((0, 10), (10, 29), (29, 30), (0, 29), (10, 30)):
        assert torch.equal(cut.part(x, begin, end), whole[..., begin:end])
    for begin, end in ((0, 11), (5, 10), (10, 10)):
        with pytest.raises(ValueError, match="where the layer was cut"):
            cut.part(x, begin, end)


def test_ranges_of_a_float32_layer() -> None:
    linear, x = Linear(64, 30).requires_grad_(False), torch.randn(2, 9, 64)
    for begin, end in ((0, 10), (10, 30), (0, 30)):
        torch.testing.assert_close(linear.part(x, begin, end), linear(x)[..., begin:end])


@pytest.mark.parametrize("K", [64, 3072])
def test_a_row_depends_on_itself_alone(K: int) -> None:
    """Nothing else in the product matters: neither how much of it there is, nor its size."""
    linear, x = Int8Linear(layer(K, 70, seed=3)), inputs(150, K, seed=4)
    whole = linear(x)
    for rows in (slice(0, 1), slice(149, 150), slice(3, 20), slice(1, None)):
        assert torch.equal(linear(x[rows]), whole[rows])
    assert torch.equal(linear(torch.cat([x[:1], 1e6 * x[1:]]))[:1], whole[:1])


@pytest.fixture(scope="module")
def int8() -> Checkpoint:
    return load_checkpoint(dtype="int8")


def test_a_checkpoint_knows_its_precision(int8: Checkpoint, built_in: Checkpoint) -> None:
    assert (int8.precision, built_in.precision) == ("int8", "float32")
    assert int8.parameters == built_in.parameters and int8.hash == built_in.hash
    linear = {name for name, module in int8.model.named_modules() if isinstance(module, nn.Linear)}
    assert not linear  # RADD form: no layer depends on sigma
    floats = sum(t.nbytes for t in [*int8.model.parameters(), *int8.model.buffers()] if t.dtype == torch.float32)
    embedding = int8.model.backbone.embedding.nbytes
    assert embedding < floats < 1.05 * embedding  # norms, biases and steps: no float32 copy of a weight is left


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_weights_file_is_let_go(folder: Path) -> None:
    mapped = Path("/proc/self/maps")
    exact = load_checkpoint(folder)
    assert str(folder) in mapped.read_text()
    del exact
    gc.collect()
    rounded = load_checkpoint(folder, dtype="int8")
    assert str(folder) not in mapped.read_text() and rounded.precision == "int8"


@pytest.mark.parametrize("name", ["absorb", "uniform", "radd"])
def test_each_form_loads(name: str) -> None:
    exact, rounded = load_checkpoint(PARITY / name), load_checkpoint(PARITY / name, dtype="int8")
    assert rounded.precision == "int8"
    assert {n for n, m in rounded.model.named_modules() if isinstance(m, nn.Linear)} == {
        n for n, m in exact.model.named_modules() if isinstance(m, nn.Linear) and ("adaLN" in n or "sigma_map" in n)
    }
    x = torch.randint(exact.config.tokens, (3, 12), generator=torch.Generator().manual_seed(0))
    if exact.mask_id is not None:
        x[:, ::2] = exact.mask_id
    sigma = torch.tensor([0.2, 1.0, 3.0])
    before, after = exact.model.log_score(x, sigma), rounded.model.log_score(x, sigma)
    finite = before.isfinite()
    assert torch.equal(finite, after.isfinite())
    error = (before - after)[finite].abs()
    assert 0 < float(error.mean()) < 0.03
    where = x == exact.mask_id if exact.mask_id is not None else torch.ones_like(x, dtype=torch.bool)
    scored = torch.cat([part.log_score for part in rounded.model.log_scores(x, sigma, where)])
    torch.testing.assert_close(scored, after[where][:, : exact.config.tokens], rtol=1e-4, atol=1e-4)


def test_scores_depend_neither_on_the_batch_nor_on_what_else_is_scored(int8: Checkpoint) -> None:
    x = torch.randint(int8.config.tokens, (3, 48), generator=torch.Generator().manual_seed(0))
    where = torch.rand(3, 48, generator=torch.Generator().manual_seed(1)) < 0.7
    x[where] = int8.config.tokens
    sigma, few = torch.ones(3), where & (torch.arange(48) < 9)

    def scores(rows: list[int], at: Tensor) -> Tensor:
        return torch.cat([part.log_score for part in int8.model.log_scores(x[rows], sigma[rows], at[rows])])

    whole = scores([0, 1, 2], where)
    assert torch.equal(scores([1], where), whole[where[0].sum() : where[:2].sum()])
    assert torch.equal(scores([0, 1, 2], few), whole[few[where]])


def test_texts_do_not_depend_on_the_batch(int8: Checkpoint) -> None:
    together = generate(int8, length=24, steps=6, seed=0, num_samples=3, batch_size=3)
    alone = generate(int8, length=24, steps=6, seed=0, row=2)
    assert torch.equal(together[2].ids, alone[0].ids)


def test_it_is_never_trained() -> None:
    model = load_checkpoint(PARITY / "radd", dtype="int8").model
    with pytest.raises(RuntimeError, match="floating point"):
        model.requires_grad_(True)


def test_which_precisions_a_device_has() -> None:
    cpu, cuda, mps = torch.device("cpu"), torch.device("cuda"), torch.device("mps")
    for accelerator in (cuda, mps):
        assert [resolve_precision(p, accelerator) for p in ("float16", "bfloat16")] == ["float16", "bfloat16"]
        with pytest.raises(UsageError, match="int8 runs on CPUs only") as refused:
            resolve_precision("int8", accelerator)
        assert "--device cpu" in str(refused.value)
    offered = ("auto", "float32", "bfloat16", "int8")
    assert [resolve_precision(p, cpu) for p in offered] == ["float32", *offered[1:]]
    with pytest.raises(UsageError, match="CUDA and MPS only"):
        resolve_precision("float16", cpu)
    with pytest.raises(UsageError, match="unknown dtype 'int4'") as unknown:
        resolve_precision("int4", cpu)
    assert "Choose auto, float32, bfloat16, float16, int8." in str(unknown.value)


ON_AN_OLD_CPU = """
import torch
from sedd_cli import load_checkpoint
from sedd_cli.models.int8 import has_exact_products

assert not has_exact_products()
x, sigma = torch.arange(32)[None] * 37 % 4096, torch.ones(1)
checkpoint = load_checkpoint(dtype="int8")
x[:, ::2] = checkpoint.config.tokens
torch.save(checkpoint.model.log_score(x, sigma), {out!r})
"""


@pytest.mark.skipif(not has_exact_products(), reason="this CPU is an old one itself")
def test_where_products_saturate_the_integers_are_multiplied_in_float32(int8: Checkpoint, tmp_path: Path) -> None:
    """oneDNN held to AVX2, whose 16-bit sums saturate: found out, and worked around."""
    out = str(tmp_path / "scores.pt")
    code = ON_AN_OLD_CPU.format(out=out)
    # Read once, when oneDNN is first used: it takes a process of its own.
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}, check=True)
    x, sigma = torch.arange(32)[None] * 37 % 4096, torch.ones(1)
    x[:, ::2] = int8.config.tokens
    # Not to the bit: a norm rounded another way can move an input by a step.
    error = (torch.load(out) - int8.model.log_score(x, sigma))[:, ::2].abs()
    assert float(error.mean()) < 0.02
