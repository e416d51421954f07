"""A text ends at the first of several tokens that end one, wherever it is shown."""

import html
import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sedd_cli import Checkpoint, Request, Run, load_checkpoint
from sedd_cli.cli.watch import make_frame as watched
from sedd_cli.evaluation.samples import Evaluation, SamplesRequest
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.chat import chat_canvas
from sedd_cli.generation.recording import parse, read
from sedd_cli.render.page import page
from sedd_cli.render.replay import END, make_frame
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.style import END_OF_TEXT_SIGN, PageBuilder
from sedd_cli.tui.token_text import token_label
from tests.conftest import Sedd
from tests.models.other_families import byte_level, save_random
from tests.traces import record

END_OF_TURN, END_OF_TEXT, MASK = 257, 258, 259
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that writes letters, and every now and then one of two ends: the same law at every position."""
    inner = byte_level("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|mask|>")
    folder = tmp_path_factory.mktemp("checkpoints") / "ends"
    save_random(folder, inner, mask_token_id=MASK, eos_token_id=END_OF_TURN)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [END_OF_TURN, END_OF_TEXT]}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    weights = load_file(folder / "model.safetensors")
    width = weights["model.norm.weight"].numel()
    for name, tensor in weights.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensor.zero_()
    weights["model.norm.weight"].fill_(1)
    weights["model.embed_tokens.weight"][MASK] = 1
    weights["lm_head.weight"].fill_(-1)
    for i, logit in [*((ord(letter), 4) for letter in "abc"), (END_OF_TURN, 2), (END_OF_TEXT, 2)]:
        weights["lm_head.weight"][inner.token_to_id(chr(i)) if i < 256 else i] = logit / width
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def ckpt(folder: Path) -> Checkpoint:
    return load_checkpoint(folder)


def first_end(ids: list[int], begin: int) -> int:
    return next((i for i in range(begin, len(ids)) if ids[i] in (END_OF_TURN, END_OF_TEXT)), len(ids))


@pytest.mark.parametrize("chat", [False, True])
def test_run_live_view_trace_replay_export_and_tui_agree(ckpt: Checkpoint, chat: bool) -> None:
    assert ckpt.tokenizer is not None
    canvas = chat_canvas(ckpt, "cab", "abc", length=96) if chat else None
    run = Run(ckpt, Request(num_samples=4, seed=1, steps=8, length=96, prompt=None if chat else "ab"), canvas)
    lines, steps = record(run)
    recording, ends = parse(lines), set()
    for sample in run.samples():
        ids, begin = sample.ids.tolist(), int(run.canvas.free.int().argmax())
        assert (END_OF_TURN in ids[:begin]) == chat
        end = first_end(ids, begin)
        ends.add(ids[end])
        assert sample.text == run.canvas.prompt + ckpt.tokenizer.decode(ids[begin:end])
        recorded = recording.sample(sample.row)
        moment = recorded.at(recorded.last)
        assert recorded.text(moment) == sample.text and html.escape(sample.text) in page(
            recorded, opens=None, speed=2, width=80
        )
        step = [step for step in steps if step.row == sample.row][-1]
        frame = make_frame(recorded, moment)
        assert frame == watched(run, step, recorded.last)
        assert frame.end == end == run.end_of_text_position(sample.ids)
        assert [i for i, piece in enumerate(frame.pieces) if piece == END and i >= begin] == [
            i for i in range(begin, 96) if ids[i] in (END_OF_TURN, END_OF_TEXT)
        ]
        branch = Branch.begin(run, sample.row)
        for step in branch.resume():
            branch.add(step)
        scene = Scene(branches=(branch,), at=branch.last)
        screen = PageBuilder(ckpt.tokenizer, "plain").build(scene, 80)
        pieces = [piece for y in range(screen.height) for piece in screen.row(y)]
        shown = "".join(piece.text for piece in pieces if not piece.classes.startswith("past"))
        assert shown.endswith(sample.text + END_OF_TEXT_SIGN)
        assert scene.text == scene.flattened.draft.text == sample.text
    assert ends == {END_OF_TURN, END_OF_TEXT}


def test_samples_that_are_rated_end_there(ckpt: Checkpoint) -> None:
    request = Request(num_samples=4, seed=1, steps=8, length=96)
    evaluation = Evaluation(ckpt, SamplesRequest(sampling=request, steps=(8,)), None)
    for _ in evaluation.run(None):
        pass
    run = Run(ckpt, request)
    list(run.steps())
    (rated,) = evaluation.sample_sets
    assert [text.text for text in rated.texts] == [sample.text for sample in run.samples()]


def test_commands(sedd: Sedd, folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    arguments = ("-m", str(folder), "--seed", "1", "--steps", "8", "--trace", str(trace))
    for words in (["ab", "--length", "96"], ["--chat", "Hello"]):
        done = sedd("generate", *words, *arguments)
        assert done.code == 0 and done.stdout == sedd("replay", str(trace)).stdout
        assert set(done.stdout.decode()) <= set("abc\n")


def test_a_trace_that_names_one_end_is_read(ckpt: Checkpoint, tmp_path: Path) -> None:
    lines, _ = record(Run(ckpt, Request(seed=1, steps=8, length=96)))
    header = json.loads(lines[0])
    assert header.pop("end_ids") == [END_OF_TURN, END_OF_TEXT]
    path = tmp_path / "old.jsonl"
    path.write_bytes(b"".join([json.dumps(header).encode() + b"\n", *lines[1:]]))
    assert read(path).header.end_ids == {END_OF_TEXT}


def test_the_inspector_tells_ends_from_each_other(ckpt: Checkpoint) -> None:
    labels = [token_label(ckpt.tokenizer, token) for token in (256, END_OF_TURN, END_OF_TEXT)]
    assert labels == ["<|im_start|>", "¶ <|im_end|>", "¶ end of text"]
