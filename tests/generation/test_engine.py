"""The engine: what a sample depends on, what steps say, how a run is taken hold of."""

import pytest
import torch

from sedd_cli import Checkpoint, Request, Run, UsageError, generate, load_checkpoint, stream
from sedd_cli.diffusion.branching import remask, write
from tests.conftest import PARITY

SETTINGS = [
    {"sampler": "euler"},
    {"sampler": "first-hitting", "length": 24},
    {"score": "raw"},
    {"prompt": "One day, Tom", "suffix": " the end."},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.9},
    {"order": "confidence", "correct": 2},
    {"remask": "cap", "eta": 0.2, "block": 16, "horizon": 8},
]


def one_text_however_it_is_drawn(checkpoint: Checkpoint, settings: dict[str, object]) -> None:
    options = {"steps": 8, "length": 40, "seed": 11, **settings}
    together = generate(checkpoint, num_samples=7, batch_size=7, **options)  # type: ignore[arg-type]
    apart = generate(checkpoint, num_samples=7, batch_size=1, **options)  # type: ignore[arg-type]
    alone = [generate(checkpoint, row=row, **options)[0] for row in (0, 4)]  # type: ignore[arg-type]
    watched = {step.row: step.ids for step in stream(checkpoint, num_samples=2, **options)}  # type: ignore[arg-type]
    assert [s.text for s in together] == [s.text for s in apart]
    assert [s.text for s in alone] == [together[0].text, together[4].text]
    assert all(torch.equal(watched[row], together[row].ids) for row in (0, 1))
    assert len({s.text for s in together}) == 7


def test_one_seed_one_text_of_a_whole_network(built_in: Checkpoint) -> None:
    one_text_however_it_is_drawn(built_in, {"sampler": "tweedie"})


@pytest.mark.parametrize("settings", SETTINGS)
def test_one_seed_one_text_however_it_is_drawn(shallow: Checkpoint, settings: dict[str, object]) -> None:
    one_text_however_it_is_drawn(shallow, settings)


def test_every_kind_of_network_generates_the_same_in_a_batch(tiny: Checkpoint) -> None:
    together = generate(tiny, steps=6, seed=2, num_samples=3, batch_size=3)
    apart = generate(tiny, steps=6, seed=2, num_samples=3, batch_size=1)
    for a, b in zip(together, apart, strict=True):
        assert torch.equal(a.ids, b.ids) and a.nfe == b.nfe
        assert int(a.ids.max()) < tiny.config.tokens and a.text == ""


def test_raw_and_normalised_agree_where_the_network_is_normalised(shallow: Checkpoint) -> None:
    (raw,) = generate(shallow, score="raw", seed=3, steps=12, length=48)
    (normalised,) = generate(shallow, seed=3, steps=12, length=48)
    assert torch.equal(raw.ids, normalised.ids)
    assert normalised.nfe <= raw.nfe <= 13


def test_steps_tell_what_happened(shallow: Checkpoint) -> None:
    request = Request(length=40, steps=16, seed=5, prompt="Once upon a time")
    run = Run(shallow, request)
    needed, previous = run.calls_needed(), run.start(0).ids
    steps = list(run.steps())
    assert len(steps) == needed <= 17
    assert [s.nfe for s in steps] == list(range(1, needed + 1))
    assert [s.step for s in steps] == sorted({s.step for s in steps})
    assert [s.t for s in steps] == sorted((s.t for s in steps), reverse=True)
    for step in steps:
        assert torch.equal((step.ids != previous).nonzero().squeeze(1), step.changed)
        assert len(step.probability) == len(step.entropy) == len(step.changed) > 0
        assert bool((step.probability > 0).all()) and bool((step.entropy >= 0).all())
        previous = step.ids
    assert shallow.mask_id not in previous.tolist()
    (sample,) = run.samples()
    assert sample.complete and sample.nfe == needed and sample.text.startswith("Once upon a time")


@pytest.mark.parametrize("steps", [1, 3, 1000])
@pytest.mark.parametrize("sampler", ["tweedie", "euler"])
def test_network_calls_are_at_most_masked_and_steps(shallow: Checkpoint, sampler: str, steps: int) -> None:
    (sample,) = generate(shallow, length=20, steps=steps, sampler=sampler, seed=1, prompt="A cat")  # type: ignore[arg-type]
    masked = 20 - len(shallow.tokenizer.encode("A cat"))  # type: ignore[union-attr]
    assert sample.nfe <= min(masked, steps + 1)


def test_first_hitting_calls_once_a_position(shallow: Checkpoint) -> None:
    steps = list(stream(shallow, length=12, sampler="first-hitting", seed=1))
    assert len(steps) == 12 and all(len(s.changed) == 1 for s in steps)
    assert [s.t for s in steps] == sorted((s.t for s in steps), reverse=True)


def test_prompt_and_suffix_are_copied_not_decoded(shallow: Checkpoint) -> None:
    prompt, suffix = "\ufeffHé\r\n\t🌍 [/red]\x1b[31m", "  e\u0301nd\x00"
    (sample,) = generate(shallow, prompt=prompt, suffix=suffix, length=64, steps=8, seed=1)
    assert sample.text.startswith(prompt) and sample.text.endswith(suffix)
    assert shallow.tokenizer is not None
    gap = sample.ids[len(shallow.tokenizer.encode(prompt)) : 64 - len(shallow.tokenizer.encode(suffix))]
    assert shallow.tokenizer.end_of_text_id not in gap.tolist()


@pytest.mark.parametrize(
    ("prompt", "suffix", "joint"),
    [
        ("One day", "the end.", " "),
        ("One day", '"Bye," she said.', " "),
        ("One day", " the end.", ""),
        ("One day", ". The end.", ""),
        ("One day", "\nThe end.", ""),
        ("One day", "終わり", ""),
        (None, "They were happy.", " "),
    ],
)
def test_a_suffix_does_not_run_into_what_is_written(
    built_in: Checkpoint, prompt: str | None, suffix: str, joint: str
) -> None:
    run = Run(built_in, Request(prompt=prompt, suffix=suffix, length=24, steps=8, seed=1))
    list(run.steps())
    (sample,) = run.samples()
    assert built_in.tokenizer is not None and sample.text.startswith(prompt or "") and sample.text.endswith(suffix)
    tail = built_in.tokenizer.encode(joint + suffix)
    assert sample.ids[24 - len(tail) :].tolist() == tail
    assert (
        sample.text == f"{prompt or ''}{built_in.tokenizer.decode(sample.ids[run.canvas.free].tolist())}{joint}{suffix}"
    )


def test_a_suffix_gets_no_second_blank(built_in: Checkpoint) -> None:
    """What is written may end with white space, or be nothing."""
    assert built_in.tokenizer is not None
    run = Run(built_in, Request(suffix="The end.", length=6, steps=8, seed=1))
    state = run.start(0)
    count = int(run.canvas.free.sum())
    (newline,), (word,) = built_in.tokenizer.encode("\n"), built_in.tokenizer.encode(" dog")
    assert built_in.tokenizer.end_of_text_id is not None
    end = built_in.tokenizer.end_of_text_id

    def text(*tokens: int) -> str:
        ids = state.ids.index_copy(0, torch.arange(count), torch.tensor([end] * (count - len(tokens)) + list(tokens)))
        return run.text_of(ids)

    assert text(word) == " dog The end." and text(word, newline) == " dog\nThe end." and text() == "The end."


def test_a_stopped_run_shows_masks_as_markers(shallow: Checkpoint) -> None:
    run = Run(shallow, Request(length=32, steps=32, seed=4, num_samples=2))
    steps = run.steps()
    for _ in range(5):
        next(steps)
    (sample,) = run.samples()
    assert not sample.complete and sample.nfe == 5
    assert "[[" in sample.text


@pytest.mark.parametrize("settings", [{}, {"sampler": "euler"}, {"sampler": "first-hitting"}, {"score": "raw"}])
def test_a_branch_without_edits_is_the_original(shallow: Checkpoint, settings: dict[str, object]) -> None:
    request = Request(length=32, steps=12, seed=9, **settings)  # type: ignore[arg-type]
    steps = list(Run(shallow, request).steps())
    middle = steps[len(steps) // 2]
    again = list(Run(shallow, request).resume([middle.state], nfe=middle.nfe))
    original = steps[len(steps) // 2 + 1 :]
    assert [s.nfe for s in again] == [s.nfe for s in original]
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(again, original, strict=True))


def test_a_branch_of_the_uniform_process_goes_on_as_it_did() -> None:

    ckpt, request = load_checkpoint(PARITY / "uniform"), Request(steps=6, seed=1)
    steps = list(Run(ckpt, request).steps())
    again = list(Run(ckpt, request).resume([steps[2].state], nfe=3))
    assert len(again) == 4 and torch.equal(again[-1].ids, steps[-1].ids)


@pytest.mark.parametrize("settings", [{}, {"sampler": "first-hitting"}, {"score": "raw"}])
def test_a_remasked_word_is_written_anew_and_the_rest_kept(shallow: Checkpoint, settings: dict[str, object]) -> None:
    run = Run(shallow, Request(length=32, steps=12, seed=9, **settings))  # type: ignore[arg-type]
    end = list(run.steps())[-1].state
    positions = torch.tensor([3, 4, 20])
    masked = remask(run.sampler, end, positions)
    assert masked.ids[positions].tolist() == [shallow.mask_id] * 3
    assert 0 < run.sampler.calls_left(masked) <= (3 if settings.get("score") != "raw" else 13)
    resumed = list(run.resume([masked]))[-1].ids
    assert torch.equal(resumed, list(run.resume([masked]))[-1].ids)
    kept = torch.ones(32, dtype=torch.bool).index_fill(0, positions, False)
    assert torch.equal(resumed[kept], end.ids[kept]) and shallow.mask_id not in resumed.tolist()


def test_an_edited_prompt_is_not_pasted_over(shallow: Checkpoint) -> None:
    run = Run(shallow, Request(length=16, steps=4, seed=1, prompt="Once upon a time", suffix=" end"))
    assert shallow.tokenizer is not None
    (token,) = shallow.tokenizer.encode("N")
    edited = write(run.start(0), torch.tensor([0]), torch.tensor([token]))
    list(run.resume([edited]))
    (sample,) = run.samples()
    assert sample.text.startswith("N upon a time") and sample.text.endswith(" end")


@pytest.mark.parametrize("name", ["raw", "uniform"])
def test_states_at_different_steps_go_on_together(name: str, shallow: Checkpoint) -> None:
    ckpt = shallow if name == "raw" else load_checkpoint(PARITY / "uniform")
    run = Run(ckpt, Request(length=16, steps=5, seed=1, num_samples=2, score="raw" if name == "raw" else "normalised"))
    steps = list(run.steps())
    first = [s for s in steps if s.row == 0]
    again = list(run.resume([first[2].state, run.start(1)]))
    for row in (0, 1):
        assert torch.equal([s for s in again if s.row == row][-1].ids, [s for s in steps if s.row == row][-1].ids)


def test_a_chosen_word_stays(shallow: Checkpoint) -> None:
    run = Run(shallow, Request(length=32, steps=12, seed=9))
    chosen = write(run.start(0), torch.tensor([5]), torch.tensor([77]))
    assert list(run.resume([chosen]))[-1].ids[5] == 77


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"steps": 2.5}, "steps must be a whole number"),
        ({"prompt": 5}, "the prompt must be a text"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"length": 0}, "length must be at least 1"),
        ({"num_samples": 0}, "number of samples must be at least 1"),
        ({"batch_size": 0}, "batch size"),
        ({"seed": -1}, "seed"),
        ({"row": -1}, "row"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top-k"),
        ({"top_p": 1.5}, "top-p"),
        ({"sampler": "ddim"}, "unknown sampler 'ddim'"),
        ({"score": "cooked"}, "unknown score"),
        ({"sampler": "first-hitting", "score": "raw"}, "first-hitting"),
        ({"prompt": "word " * 300}, "no room on a canvas of 256"),
        ({"prompt": "one two three", "suffix": "four five", "length": 5}, "leave no room on a canvas of 5"),
        ({"prompt": "\udcff"}, "not valid UTF-8"),
    ],
)
def test_a_request_that_cannot_be_carried_out(shallow: Checkpoint, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        generate(shallow, **options)  # type: ignore[arg-type]


def test_a_checkpoint_without_tokenizer_takes_no_prompt(tiny: Checkpoint) -> None:
    with pytest.raises(UsageError, match="has no tokenizer"):
        generate(tiny, prompt="Hello")


@pytest.mark.parametrize("options", [{}, {"sampler": "first-hitting"}, {"sampler": "euler", "score": "raw"}])
def test_a_prompt_that_ends_with_a_blank_is_followed_by_a_word(shallow: Checkpoint, options: dict[str, str]) -> None:
    """A vocabulary holds words with the blank before them; given alone, it was followed by parts of words."""
    assert shallow.tokenizer is not None
    prompt = "Once upon a time there was a "
    run = Run(shallow, Request(prompt=prompt, length=24, steps=8, seed=3, num_samples=4, temperature=2.0, **options))  # type: ignore[arg-type]
    list(run.steps())
    first = int(run.canvas.free.nonzero()[0])
    assert shallow.tokenizer.decode(run.canvas.ids[:first].tolist()) == prompt[:-1]
    for sample in run.samples():
        assert shallow.tokenizer.bytes_of(int(sample.ids[first])).startswith(b" ")
        assert sample.text.startswith(prompt)
        assert sample.text == Run.text_of(run, sample.ids)
        plain = shallow.tokenizer.compose(sample.ids.tolist(), full_canvas=False, at_start=True)
        assert sample.text == plain
