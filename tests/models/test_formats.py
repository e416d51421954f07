"""Folders of other families: their own code's figures for tiny random weights, and configs that are refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sedd_cli import NotLoadableError, generate, infill, load_checkpoint, score
from sedd_cli.models.formats import FORMATS
from sedd_cli.training.loop import StepReport
from sedd_cli.training.recipe import make_recipe
from sedd_cli.training.session import TrainingSession
from tests.conftest import PARITY
from tests.models.other_families import save_random
from tests.models.test_backbone_seam import MASK, bytes_and_mask

FULL_ATTENTION = ["mdlm", "llada", "dream", "a2d-qwen3", "a2d-qwen2-tied", "a2d-llama", "open-dcoder"]
BY_BLOCKS = ["bd3lm", "a2d-qwen3-block8"]
SHIFTED = ["dream", "open-dcoder"]


@pytest.mark.parametrize("name", FULL_ATTENTION + BY_BLOCKS)
def test_logits_are_those_of_its_own_code(name: str) -> None:
    ckpt, its = load_checkpoint(PARITY / name), load_file(PARITY / name / "cases.safetensors")
    logits = ckpt.model.backbone(its["x"], torch.zeros(len(its["x"])))
    error = (logits - its["logits"]).abs() / its["logits"].abs().clamp(min=1)
    assert float(error.max()) <= 1e-4
    assert ckpt.mask_id == int(its["mask_id"]) and ckpt.parameterization == "RADD"
    assert name in SHIFTED or ckpt.config.model.leading_id is None


@pytest.mark.parametrize("name", FULL_ATTENTION + BY_BLOCKS)
def test_scores_are_read_from_the_logits(name: str) -> None:
    """`log c - log(e^sigma - 1)` at MASK; where logits shift, the first token stands before the canvas."""
    ckpt, its = load_checkpoint(PARITY / name), load_file(PARITY / name / "cases.safetensors")
    real = torch.arange(its["logits"].shape[-1]) != ckpt.mask_id
    for row, x in enumerate(its["x"]):
        logits = its["logits"][row]
        if name in SHIFTED:
            ckpt.model.leading_id, x, logits = int(x[0]), x[1:], its["shifted"][row, 1:]
        x, where = x[None], x[None] == ckpt.mask_id
        c = logits[:, real].log_softmax(-1)[where[0]]
        sigma = torch.tensor([0.7])
        expected = c - torch.expm1(sigma).log()
        score = ckpt.model.log_score(x, sigma)[where]
        assert torch.allclose(score[:, real], expected, rtol=1e-4, atol=1e-4)
        assert (score[:, ckpt.mask_id] == 0).all()
        at_positions = torch.cat([scored.log_score for scored in ckpt.model.log_scores(x, sigma, where)])
        assert torch.allclose(at_positions, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["dream", "a2d-qwen3", "mdlm"])
def test_texts_do_not_depend_on_the_batch(name: str) -> None:
    ckpt = load_checkpoint(PARITY / name)
    together = generate(ckpt, length=24, steps=6, seed=1, num_samples=3, batch_size=3)
    for row, sample in enumerate(together):
        assert not (sample.ids == ckpt.mask_id).any()
        assert torch.equal(sample.ids, generate(ckpt, length=24, steps=6, seed=1, row=row)[0].ids)


@pytest.mark.parametrize("name", ["a2d-qwen2-tied", "dream", "llada", "mdlm", "bd3lm"])
def test_int8(name: str) -> None:
    exact, near = (load_checkpoint(PARITY / name, dtype=dtype) for dtype in ("float32", "int8"))
    x, sigma = torch.full((1, 16), exact.mask_id), torch.ones(1)
    x[:, ::2] = torch.arange(8)
    scores = [next(iter(c.model.log_scores(x, sigma, x == exact.mask_id))).log_score for c in (exact, near)]
    assert 0 < float((scores[0] - scores[1]).abs().mean()) < 0.1


@pytest.fixture(params=[None, 7], ids=["plain", "shifted"])
def byte_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A random network of grouped queries over bytes, MASK among them, saved in the layout of A2D or Open-dCoder."""
    kind = {"model_type": "a2d-qwen3"} if request.param is None else {"model_type": "qwen2", "bos_token_id": 7}
    keys = {"mask_token_id": MASK, "eos_token_id": 0, "max_position_embeddings": 128}
    return save_random(tmp_path / "bytes", bytes_and_mask(), **kind, **keys)


def test_it_does_all_that_others_do(byte_folder: Path) -> None:
    ckpt = load_checkpoint(byte_folder)
    sample = generate(ckpt, prompt="a cat", seed=0, steps=4)[0]
    assert sample.text.startswith("a cat") and len(sample.ids) == 128 and not (sample.ids == MASK).any()
    document = "a cat sat on a mat and a cat"
    filling = infill(ckpt, document, [(2, 5)], seed=0, steps=8)[0]
    assert filling.text.startswith("a ") and filling.text.endswith(document[5:])
    exact = score(ckpt, "the cat", order="left-to-right")
    assert 0.3 * exact.nats < score(ckpt, "the cat", replicates=8).nats < 3 * exact.nats
    rounded = load_checkpoint(byte_folder, dtype="int8")
    assert rounded.precision == "int8" and rounded.model.backbone.embedding.dtype == torch.bfloat16
    generate(rounded, length=16, seed=0, steps=4)


def test_it_is_fine_tuned(byte_folder: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("\n\n".join(f"{name} ran to the {name} and sat" for name in 20 * ["a cat", "a dog", "a hen"]))
    table = {
        "start": str(byte_folder),
        "batch_size": 8,
        "micro_batch": 8,
        "data": {"train": str(corpus)},
        "model": {"length": 32},
        "optimiser": {"learning_rate": 3e-3, "matrix_rate": 3e-3},
        "phases": [{"objective": "simple", "steps": 30}],
        "report": {"steps": 1, "canvases": 4, "replicates": 2},
    }
    session = TrainingSession(make_recipe(table, [], "test"), tmp_path / "run", torch.device("cpu"))
    losses = [event.loss for event in session.events() if isinstance(event, StepReport)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    before, after = load_checkpoint(byte_folder), load_checkpoint(tmp_path / "run")
    assert after.config.model.leading_id == before.config.model.leading_id and after.mask_id == MASK
    assert after.config.trained_canvas and after.length == 32


def changed(folder: Path, tmp_path: Path, **keys: object) -> Path:
    copy = Path(shutil.copytree(folder, tmp_path / "checkpoint"))
    table = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**table, **keys}))
    return copy


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("a2d-qwen3", {"model_type": "qwen3_moe"}, "mixture of experts"),
        ("a2d-qwen3", {"num_experts": 8}, "mixture of experts"),
        ("a2d-qwen3", {"quantization_config": {"quant_method": "gptq"}}, "quantised .gptq."),
        ("mdlm", {"block_size": 8}, "MDLM that denoises block by block"),
        ("a2d-qwen3", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "stretches its positions .yarn."),
        ("a2d-qwen3", {"model_type": "bert"}, "'bert', which is no masked diffusion model that sedd reads"),
        ("a2d-qwen3", {"hidden_size": None}, "hidden_size"),
        ("mdlm", {"time_conditioning": True}, "depends on the time"),
        ("llada", {"block_type": "sequential"}, "block_type 'sequential'"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, name: str, keys: dict[str, object], message: str) -> None:
    with pytest.raises(NotLoadableError, match=message):
        load_checkpoint(changed(PARITY / name, tmp_path, **keys))


def test_an_autoregressive_network_is_refused_as_that(tmp_path: Path) -> None:
    folder = changed(PARITY / "open-dcoder", tmp_path)
    (folder / "generation_config.json").write_text("{}")
    with pytest.raises(NotLoadableError, match="autoregressive qwen2: no mask_token_id"):
        load_checkpoint(folder)


def test_mask_is_found_in_the_tokenizers_files(tmp_path: Path) -> None:
    folder = changed(PARITY / "a2d-qwen3", tmp_path)
    (folder / "generation_config.json").unlink()
    with pytest.raises(NotLoadableError, match="names the token that is MASK"):
        load_checkpoint(folder)
    added = {"mask_token": "<|mask|>", "added_tokens_decoder": {"117": {"content": "<|mask|>"}}}
    (folder / "tokenizer_config.json").write_text(json.dumps(added))
    assert load_checkpoint(folder).mask_id == 117


def test_weights_in_bfloat16_are_read_within_its_rounding(tmp_path: Path) -> None:
    folder = changed(PARITY / "a2d-qwen3", tmp_path)
    its, logits = load_file(folder / "cases.safetensors"), []
    weights = {name: tensor.bfloat16() for name, tensor in load_file(folder / "model.safetensors").items()}
    for stored in (weights, {name: tensor.float() for name, tensor in weights.items()}):
        save_file(stored, folder / "model.safetensors")
        logits.append(load_checkpoint(folder).model.backbone(its["x"], torch.zeros(3)))
    assert torch.equal(*logits) and logits[0].dtype == torch.float32
    assert 1e-4 < float((logits[0] - its["logits"]).abs().mean()) < 0.02


def test_every_layout_has_a_parity_case() -> None:
    kinds = {
        json.loads((PARITY / name / "config.json").read_text())["model_type"] for name in FULL_ATTENTION + BY_BLOCKS
    }
    assert {kind for layout in FORMATS for kind in layout.model_types} - kinds == {"qwen2 with a mask_token_id"}
