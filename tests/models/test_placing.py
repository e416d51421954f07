"""Weights put into a network tensor by tensor: what it takes, and what holds of bfloat16 on a CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sedd_cli import NotLoadableError, generate, load_checkpoint
from sedd_cli.models.bfloat16 import Packed, PackedLinear, Widened, WidenedLinear, has_fast_products
from sedd_cli.models.checkpoint import CPU_LAYERS, build_network
from sedd_cli.models.folder import read_config, weights_files
from sedd_cli.models.formats import find_format
from sedd_cli.models.formats.facts import Facts
from sedd_cli.models.network import ScoreNetwork
from sedd_cli.models.piecewise import PiecewiseLinear
from sedd_cli.models.weights import read_weights
from tests.conftest import PARITY
from tests.models.real_sizes import a2d_qwen3

SHAPE = {"hidden_size": 512, "num_hidden_layers": 20, "num_attention_heads": 8, "num_key_value_heads": 4}
SHAPE |= {"head_dim": 64, "intermediate_size": 2048, "vocab_size": 48_000}
"""With the share of Qwen3-0.6B's embedding in the whole."""

MEASURE = """
import json, sys
from pathlib import Path
import torch
from sedd_cli import load_checkpoint

def mib(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(dict(line.split(":") for line in lines)[key].split()[0]) / 1024

folder, small, dtype = sys.argv[1:]
load_checkpoint(small, dtype=dtype)  # libraries take memory when they are first used
before = mib("VmRSS")
checkpoint = load_checkpoint(folder, dtype=dtype)
tensors = [*checkpoint.model.parameters(), *checkpoint.model.buffers()]
addresses = [t.data_ptr() if t.layout == torch.strided else id(t) for t in tensors]
stays = dict(zip(addresses, [t.numel() * t.element_size() for t in tensors]))
print(json.dumps({"peak": mib("VmHWM") - before, "stays": sum(stays.values()) / 2**20}))
"""


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sized") / "checkpoint"
    a2d_qwen3(**SHAPE).save(folder)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_loading_takes_little_more_than_what_stays(dtype: str, sized: Path) -> None:
    command = [sys.executable, "-c", MEASURE, str(sized), str(PARITY / "a2d-qwen3"), dtype]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    states, rest = SHAPE["vocab_size"] * SHAPE["hidden_size"], 20 * 512 * (2 * 512 + 2 * 256 + 3 * 2048)
    # What is laid out for products of bfloat16 or int8 cannot be the embedding too.
    heads = 4 * states if has_fast_products() else 2 * states
    expected = {"float32": 4 * (states + rest), "bfloat16": heads + 2 * rest, "int8": 3 * states + rest}[dtype]
    assert expected / 2**20 < told["stays"] < 1.02 * expected / 2**20
    # Of layers so small more is left in the heap: 1.2 is measured for int8, 1.04 at the size of Qwen3-0.6B.
    assert told["peak"] < (1.3 if dtype == "int8" else 1.15) * told["stays"]


def logits(model: ScoreNetwork) -> Tensor:
    x = torch.randint(model.process.tokens, (2, 16), generator=torch.Generator().manual_seed(0))
    return model.backbone(x, torch.ones(2))


@pytest.mark.parametrize("name", ["a2d-qwen2-tied", "dream", "llada", "mdlm", "radd", "absorb"])
def test_bfloat16_is_float32_but_for_its_weights(name: str) -> None:
    exact, near = (load_checkpoint(PARITY / name, dtype=dtype) for dtype in ("float32", "bfloat16"))
    assert near.precision == "bfloat16" and near.model.backbone.embedding.dtype == torch.bfloat16
    before, after = logits(exact.model), logits(near.model)
    assert after.dtype == torch.float32 and 0 < float((before - after).abs().mean()) < 0.03 * float(before.std())


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU has no products of bfloat16")
@pytest.mark.parametrize("name", ["a2d-qwen2-tied", "radd"])
def test_products_of_bfloat16(name: str) -> None:
    """As where they are the faster ones: weights laid out, of which no other copy is left."""
    folder = PARITY / name
    config, layout = read_config(folder), find_format(Facts(folder))
    model, _ = build_network(config, weights_files(folder), folder, layout, layers=PackedLinear)
    before, after = logits(load_checkpoint(folder).model), logits(model)
    assert 0 < float((before - after).abs().mean()) < 0.03
    assert sum(p.layout == torch.strided and p.ndim == 2 for p in model.backbone.parameters()) == 1  # the embedding


@pytest.mark.skipif(has_fast_products(), reason="inputs are rounded here")
def test_weights_published_in_bfloat16_lose_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    a2d_qwen3(**SHAPE | {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 300}).save(folder)
    exact, near = (load_checkpoint(folder, dtype=dtype) for dtype in ("float32", "bfloat16"))
    torch.testing.assert_close(logits(near.model), logits(exact.model), rtol=1e-5, atol=1e-5)
    head, embedding = near.model.backbone.get_submodule("lm_head"), near.model.backbone.embedding
    assert isinstance(head, WidenedLinear) and next(head.parameters()).data_ptr() == embedding.data_ptr()
    floats = {p.data_ptr(): p.nbytes for p in near.model.parameters() if p.dtype == torch.float32}
    assert sum(floats.values()) < 4 * 300 * 64  # norms alone


@pytest.mark.parametrize("kind", [PackedLinear, WidenedLinear])
def test_no_result_in_bfloat16_depends_on_the_batch(
    kind: type[PiecewiseLinear], monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind is PackedLinear and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this CPU has no products of bfloat16")
    monkeypatch.setitem(CPU_LAYERS, "bfloat16", lambda: kind)
    checkpoint = load_checkpoint("tinystories", dtype="bfloat16")
    assert any(isinstance(module, kind) for module in checkpoint.model.modules())
    together = generate(checkpoint, length=100, steps=6, seed=1, num_samples=3, batch_size=3)
    assert torch.equal(together[2].ids, generate(checkpoint, length=100, steps=6, seed=1, row=2)[0].ids)


@pytest.mark.parametrize("shape", [(64, 30), (90, 40), (64, 120_000)])
def test_kinds_of_products_of_bfloat16(shape: tuple[int, int]) -> None:
    K, N = shape
    generator = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(N, K, generator=generator).bfloat16(), torch.randn(N, generator=generator)
    x = torch.randn(5, K, generator=generator)
    exact = nn.functional.linear(x.double(), weight.double(), bias.double())
    torch.testing.assert_close(Widened(weight, bias)(x).double(), exact, rtol=1e-4, atol=1e-4 * K**0.5)
    if torch.ops.mkldnn._is_mkldnn_bf16_supported() and K < 100:
        torch.testing.assert_close(Packed(weight, bias)(x.bfloat16()).double(), exact, rtol=0.02, atol=0.02 * K**0.5)


def test_a_file_that_is_replaced_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.arange(6.0).view(3, 2)}, path)
    weights = read_weights([path])
    assert torch.equal(weights.sources.mapped_alone(weights.tensors["a"][:2]), torch.arange(4.0).view(2, 2))
    turned = weights.tensors["a"][:2].t()
    assert torch.equal(weights.sources.mapped_alone(turned), torch.arange(4.0).view(2, 2).t())
    save_file({"a": torch.zeros(3, 2)}, tmp_path / "new")
    (tmp_path / "new").rename(path)
    with pytest.raises(NotLoadableError, match="was replaced while it was read"):
        weights.sources.mapped_alone(weights.tensors["a"])
    assert torch.equal(load_file(path)["a"], torch.zeros(3, 2))
