"""Folders of other families: their own code's figures for tiny random weights, and configs that are refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sedd_cli import Checkpoint, NotLoadableError, generate, infill, load_checkpoint, score
from sedd_cli.models.formats import FORMATS
from sedd_cli.training.loop import StepReport
from sedd_cli.training.recipe import make_recipe
from sedd_cli.training.session import TrainingSession
from tests.conftest import PARITY
from tests.models.autoregressive import LLAMA3
from tests.models.other_families import byte_level, change, save_family, save_random
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


def fine_tune(start: Path, run: Path) -> Checkpoint:
    """Train it a little on a text; its loss falls."""
    corpus = run.parent / "corpus.txt"
    corpus.write_text("\n\n".join(f"{name} ran to the {name} and sat" for name in 20 * ["a cat", "a dog", "a hen"]))
    table = {
        "start": str(start),
        "batch_size": 8,
        "micro_batch": 8,
        "data": {"train": str(corpus)},
        "model": {"length": 32},
        "optimiser": {"learning_rate": 1e-2, "matrix_rate": 1e-2},
        "phases": [{"objective": "simple", "steps": 16}],
        "report": {"steps": 1, "canvases": 4, "replicates": 2},
    }
    session = TrainingSession(make_recipe(table, [], "test"), run, torch.device("cpu"))
    losses = [event.loss for event in session.events() if isinstance(event, StepReport)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    return load_checkpoint(run)


def test_it_is_fine_tuned(byte_folder: Path, tmp_path: Path) -> None:
    before, after = load_checkpoint(byte_folder), fine_tune(byte_folder, tmp_path / "run")
    assert after.config.model.leading_id == before.config.model.leading_id and after.mask_id == MASK
    assert after.config.trained_canvas and after.length == 32


@pytest.mark.parametrize("name", ["mdlm", "llada", "dream"])
def test_other_families_are_fine_tuned(name: str, tmp_path: Path) -> None:
    folder = save_family(tmp_path / name, name)
    before, after = load_checkpoint(folder), fine_tune(folder, tmp_path / "run")
    assert before.mask_id == after.mask_id == (257 if name == "mdlm" else 259)
    assert before.config.model.leading_id == after.config.model.leading_id == (258 if name == "dream" else None)
    sample = generate(after, prompt="a cat", seed=0, steps=4)[0]
    assert sample.text.startswith("a cat") and not (sample.ids == after.mask_id).any()
    assert before.config.end_ids == after.config.end_ids


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
def test_llama3_positions_are_those_of_transformers(tmp_path: Path, key: str) -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    # Waves of all three kinds: short, long and between for a context of 160.
    folder = changed(PARITY / "a2d-llama", tmp_path, rope_theta=100.0, **{key: LLAMA3})
    ours = load_checkpoint(folder).model.backbone.get_buffer("rotary.inv_freq")
    config = LlamaConfig(head_dim=8, max_position_embeddings=256, rope_parameters=LLAMA3)
    theirs, _ = ROPE_INIT_FUNCTIONS["llama3"](config)
    assert torch.equal(ours, theirs)
    ratio = ours / 100.0 ** -(torch.arange(4) / 4)
    assert ratio[0] == 1 and 0.2 < ratio[2] < 0.9 and ratio[3] == pytest.approx(1 / 8)


def changed(folder: Path, tmp_path: Path, **keys: object) -> Path:
    copy = Path(shutil.copytree(folder, tmp_path / "checkpoint"))
    change(copy, **keys)
    return copy


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("a2d-qwen3", {"model_type": "qwen3_moe"}, "mixture of experts"),
        ("a2d-qwen3", {"num_experts": 8}, "mixture of experts"),
        ("a2d-qwen3", {"model_type": "llada2_moe"}, "mixture of experts .llada2_moe."),
        ("llada", {"model_type": "llada_moe"}, "mixture of experts .llada_moe."),
        ("a2d-qwen3", {"quantization_config": {"quant_method": "gptq"}}, "quantised .gptq."),
        ("a2d-qwen3", {"quantization_config": {"quant_method": "awq"}}, "quantised .awq."),
        ("a2d-qwen3", {"quantization_config": {}}, "quantised .a quantised format."),
        ("a2d-qwen3", {"compression_config": {"quant_method": "compressed-tensors"}}, "quantised .compressed-tensors."),
        ("mdlm", {"block_size": 8}, "MDLM that denoises block by block"),
        ("a2d-qwen3", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "stretches its positions .yarn."),
        ("a2d-llama", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor"),
        ("a2d-llama", {"rope_scaling": LLAMA3 | {"high_freq_factor": 1.0}}, "high_freq_factor 1.0 is not above"),
        ("a2d-qwen3", {"model_type": "bert"}, "is an encoder .bert.: it fills in single words"),
        (
            "a2d-qwen3",
            {"model_type": "mamba"},
            "model_type 'mamba', which is no masked diffusion model that sedd reads",
        ),
        ("a2d-qwen3", {"model_type": None}, "the architecture .'A2DQwen3LMHeadModel'., which is no masked diffusion"),
        ("a2d-qwen3", {"model_type": "qwen3"}, "autoregressive qwen3"),
        ("open-dcoder", {"use_sliding_window": True}, "do not see the whole canvas .sliding_attention."),
        ("a2d-qwen3", {"layer_types": ["sliding_attention"]}, "do not see the whole canvas"),
        ("a2d-qwen3", {"mask_token_id": "<mask>"}, "is damaged: invalid literal"),
        ("a2d-qwen3", {"mask_token_id": 1000}, "is not the config of a A2D checkpoint: .* mask_id 1000 is no state"),
        ("a2d-qwen3", {"eos_token_id": ["x"]}, "is damaged: invalid literal"),
        ("a2d-qwen3", {"vocab_size": "120"}, "lacks what a config of its model_type has"),
        ("a2d-qwen3", {"num_hidden_layers": 2}, "disagree: blocks.2"),
        ("a2d-qwen3", {"hidden_size": None}, "hidden_size"),
        ("mdlm", {"time_conditioning": True}, "depends on the time"),
        ("llada", {"block_type": "sequential"}, "block_type 'sequential'"),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, name: str, keys: dict[str, object], message: str) -> None:
    with pytest.raises(NotLoadableError, match=message):
        load_checkpoint(changed(PARITY / name, tmp_path, **keys))


def test_null_means_that_weights_are_plain(tmp_path: Path) -> None:
    assert load_checkpoint(changed(PARITY / "a2d-qwen3", tmp_path, quantization_config=None)).mask_id == 117


def test_quantised_weights_are_known_by_their_names(tmp_path: Path) -> None:
    folder = changed(PARITY / "a2d-qwen3", tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {n.replace("q_proj.weight", "q_proj.qweight"): t for n, t in weights.items()}, folder / "model.safetensors"
    )
    with pytest.raises(NotLoadableError, match=r"quantised .as the names of its tensors show"):
        load_checkpoint(folder)


def test_a_tokenizer_of_another_checkpoint(tmp_path: Path) -> None:
    """Too large, or so small that no padding of a vocabulary explains it; a tenth less is padding."""
    folder = save_random(tmp_path / "bytes", byte_level("<|end|>", "<|mask|>"), mask_token_id=257, vocab_size=270)
    assert load_checkpoint(folder).config.tokens == 257
    for rows, message in ((256, "has 258 tokens, config.json says 256"), (300, "has only 258 tokens, .* says 300")):
        change(folder, vocab_size=rows, mask_token_id=255)
        with pytest.raises(NotLoadableError, match=message):
            load_checkpoint(folder)


def test_a_sentencepiece_tokenizer_is_called_that(tmp_path: Path) -> None:
    folder = changed(PARITY / "a2d-llama", tmp_path)
    (folder / "tokenizer.model").write_bytes(b"\n\x0e")
    with pytest.raises(NotLoadableError, match=r"is SentencePiece \(tokenizer.model\)"):
        load_checkpoint(folder)
    (folder / "tokenizer.json").write_bytes(bytes_and_mask().to_str().encode())
    with pytest.raises(NotLoadableError, match="has 258 tokens"):
        load_checkpoint(folder)


def test_damaged_special_tokens(tmp_path: Path) -> None:
    folder = changed(PARITY / "a2d-qwen3", tmp_path)
    (folder / "generation_config.json").unlink()
    table = {"mask_token": "<|mask|>", "added_tokens_decoder": {"117": "<|mask|>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(table))
    with pytest.raises(NotLoadableError, match=r"the special tokens in .* are damaged"):
        load_checkpoint(folder)


def test_a_mask_that_tokenizer_json_alone_numbers(tmp_path: Path) -> None:
    """`special_tokens_map.json` names it, and `added_tokens_decoder` leaves it out, as after a conversion."""
    folder = save_random(tmp_path / "bytes", byte_level("<|end|>", "<|MASK|>"), eos_token_id=256, mask_token_id=257)
    table = json.loads((folder / "config.json").read_text())
    del table["mask_token_id"]
    (folder / "config.json").write_text(json.dumps(table))
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": {"256": {"content": "<|end|>"}}}))
    (folder / "special_tokens_map.json").write_text(json.dumps({"mask_token": "<|MASK|>"}))
    assert load_checkpoint(folder).mask_id == 257


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
