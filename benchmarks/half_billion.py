"""A network of half a billion parameters (the shape of Qwen2.5-0.5B) by precision, and beside transformers' own way.

    python benchmarks/half_billion.py [--canvas 256] [--rounds 5] [--only loading|calls|runs]

Weights are random, rounded to bfloat16 as published ones are. A call scores a few positions of a canvas of which half
is masked; beside it the same matrix products alone, of the same precision. The original's way is transformers' Qwen2,
made bidirectional: at each step the network with its head at every position, and draws at those that are masked. That
it computes the same logits is checked first. Needs `pip install -e '.[eval]'`.
"""

import argparse
import gc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
import torch.nn.functional as F
from int8 import show_loading
from measure import aligned, machine, rounds, seconds
from ours import HALF_BILLION, MASK, SEED, half_billion, random_weights
from safetensors.torch import save_file
from torch import Tensor, nn

from sedd_cli import Checkpoint, generate, load_checkpoint
from sedd_cli.models.backbones.llama import Block, Llama
from sedd_cli.models.int8 import Int8Linear, Piece, integer_product
from sedd_cli.models.stacking import PAD

PRECISIONS = ("float32", "int8", "bfloat16")
SHARES = {"float32": 0.85, "int8": 0.6}
"""Of a call, that its products should take."""
REVEALED, NEW, STEPS = 2, 128, 64


def write(folder: Path) -> None:
    config = half_billion()
    (folder / "config.json").write_text(config.model_dump_json())
    weights = random_weights(config).model.backbone.state_dict()
    save_file(
        {name: w if "inv_freq" in name else w.bfloat16() for name, w in weights.items()}, folder / "model.safetensors"
    )


def product(layer: nn.Module, rows: int, outputs: int | None = None) -> Callable[[], object]:
    """The matrix product of a layer alone, in its precision, on `rows` positions."""
    if isinstance(layer, Int8Linear):
        piece = max((p for p in layer.pieces if isinstance(p, Piece)), key=lambda p: len(p.scale))
        codes = torch.randint(256, (rows, layer.in_features), dtype=torch.uint8)
        return lambda: integer_product(codes, piece.weight, piece.scale, piece.zero)
    weight = next(layer.parameters()).float()[:outputs]
    x = torch.randn(rows, weight.shape[1])
    return lambda: F.linear(x, weight)


def products(checkpoint: Checkpoint, length: int) -> Callable[[], None]:
    """Those of a call: linear layers, attention's two, the head; the last block at `PAD` positions but for its keys."""
    backbone = checkpoint.model.backbone
    assert isinstance(backbone, Llama)
    *blocks, last = (block for block in backbone.blocks if isinstance(block, Block))
    works = []
    for block in (*blocks, last):
        everywhere = {"k_proj", "v_proj"} if block is last else None
        for name, layer in [*block.self_attn.named_children(), *block.mlp.named_children()]:
            if name.endswith("_proj"):
                works.append(product(layer, length if everywhere is None or name in everywhere else PAD))
        q, k = torch.randn(1, HALF_BILLION["n_heads"], length, 64), torch.randn(1, HALF_BILLION["n_heads"], length, 64)
        works.append(lambda q=q, k=k: (q @ k.mT) @ k)
    works.append(product(backbone.lm_head or backbone.embed_tokens, PAD))

    def run() -> None:
        with torch.no_grad():
            for work in works:
                work()

    return run


def call(checkpoint: Checkpoint, length: int) -> Callable[[], object]:
    """A network call that scores `REVEALED` positions of a canvas, the second half of which is masked."""
    x = torch.randint(MASK, (1, length), generator=torch.Generator().manual_seed(SEED))
    x[:, length // 2 :] = MASK
    where = torch.zeros_like(x, dtype=torch.bool)
    where[:, -REVEALED:] = True
    return lambda: list(checkpoint.model.log_scores(x, torch.ones(1), where))


def show_calls(folder: Path, length: int, at_least: int) -> None:
    rows = []
    for precision in PRECISIONS:
        checkpoint = load_checkpoint(folder, dtype=precision)
        works = {"call": call(checkpoint, length), "products": products(checkpoint, length)}
        times = rounds([lambda _, w=works: {name: seconds(work) for name, work in w.items()}], 0, at_least + 1)
        whole, alone = (median(times[name][1:]) for name in works)
        wanted = SHARES.get(precision)
        judged = "" if wanted is None else f"{'>=' if alone / whole >= wanted else 'BELOW'} {wanted}"
        rows.append((precision, f"{whole:.3f}", f"{alone:.3f}", f"{alone / whole:.2f}", judged))
        del checkpoint, works
        gc.collect()
    print(f"\nA call on a canvas of {length}: median seconds, and those of its products alone")
    print(aligned(("", "call", "products", "share", "wanted"), rows), flush=True)


class Original:
    """transformers' Qwen2 with the weights of a checkpoint, read in both directions."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        from transformers import Qwen2Config, Qwen2ForCausalLM

        states = checkpoint.process.states
        config = Qwen2Config(
            vocab_size=states,
            hidden_size=HALF_BILLION["hidden_size"],
            intermediate_size=HALF_BILLION["mlp_size"],
            num_hidden_layers=HALF_BILLION["n_blocks"],
            num_attention_heads=HALF_BILLION["n_heads"],
            num_key_value_heads=HALF_BILLION["n_kv_heads"],
            rms_norm_eps=1e-6,
            rope_parameters={"rope_type": "default", "rope_theta": HALF_BILLION["rope_theta"]},
            tie_word_embeddings=True,
        )
        with torch.device("meta"):
            self.model = Qwen2ForCausalLM(config).eval().requires_grad_(False)
        self.model.to_empty(device="cpu")
        ours = checkpoint.model.backbone.state_dict()
        named = {f"model.{name.replace('blocks.', 'layers.')}": w for name, w in ours.items() if "rotary" not in name}
        self.model.load_state_dict(named, strict=False, assign=True)
        self.model.tie_weights()
        self.model.model.rotary_emb = type(self.model.model.rotary_emb)(config)

    def logits(self, x: Tensor) -> Tensor:
        everywhere = torch.ones(1, 1, x.shape[1], x.shape[1], dtype=torch.bool)
        mask = {"full_attention": everywhere}
        out: Tensor = self.model(input_ids=x, attention_mask=mask, use_cache=False).logits
        return out

    def step(self, x: Tensor) -> None:
        """The network, and draws at the masked positions."""
        with torch.no_grad():
            drawn = self.logits(x)[x == MASK].softmax(-1).multinomial(1)
            assert len(drawn) == NEW


def original_step(exact: Checkpoint) -> float:
    """Median seconds of a step of the original's, after a check that it computes the same logits."""
    original, x = Original(exact), torch.full((1, NEW), MASK)
    x[:, ::2] = torch.arange(NEW // 2)
    with torch.no_grad():
        torch.testing.assert_close(original.logits(x), exact.model.backbone(x, torch.ones(1)), atol=1e-2, rtol=1e-3)
    x[:] = MASK
    return median([seconds(lambda: original.step(x)) for _ in range(4)][1:])


def show_runs(folder: Path) -> None:
    exact = load_checkpoint(folder)
    theirs = STEPS * original_step(exact)
    print(
        f"\nA run of {STEPS} steps that writes {NEW} tokens, and its speed over the original's (a step, times {STEPS})"
    )
    print(f"original, float32: {STEPS} calls, {theirs:.1f} s", flush=True)
    for precision in PRECISIONS:
        checkpoint = exact if precision == "float32" else load_checkpoint(folder, dtype=precision)
        begin = perf_counter()
        (sample,) = generate(checkpoint, length=NEW, steps=STEPS, seed=SEED)
        taken = perf_counter() - begin
        print(f"{precision}: {sample.nfe} calls, {taken:.1f} s, {theirs / taken:.2f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--canvas", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("loading", "calls", "runs"))
    args = parser.parse_args()
    print(machine())
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder)
        if args.only in (None, "loading"):
            show_loading("half a billion parameters, stored in bfloat16", str(folder))
        if args.only in (None, "calls"):
            show_calls(folder, args.canvas, args.rounds)
        if args.only in (None, "runs"):
            show_runs(folder)


if __name__ == "__main__":
    main()
