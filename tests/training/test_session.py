"""Runs: what they leave, and that nothing is lost on the way."""

import json
import random
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import tomlkit
import torch
from safetensors.torch import load_file

from sedd_cli import NotLoadableError, SeddError, UsageError, generate, load_checkpoint
from sedd_cli.cli.train import sample_line
from sedd_cli.distributed import World
from sedd_cli.training.loop import DivergedError, Progress, StepReport, Trainer, make_network
from sedd_cli.training.packed import PackedCorpus
from sedd_cli.training.precision import fastest_precision
from sedd_cli.training.recipe import Recipe, make_recipe
from sedd_cli.training.run import RunFolder
from sedd_cli.training.session import PreparationReport, SampleReport, TrainingSession
from sedd_cli.training.states import States, TensorSpecs
from tests.conftest import Sedd

CPU = torch.device("cpu")


def recipe(text: Path, *changes: str) -> Recipe:
    table = {
        "tokenizer": "bytes",
        "batch_size": 4,
        "micro_batch": 2,
        "data": {"train": str(text)},
        "model": {"hidden_size": 16, "n_blocks": 1, "n_heads": 2, "length": 16, "dropout": 0.1},
        "phases": [
            {"objective": "autoregressive", "steps": 6, "warmup": 2},
            {"objective": "lambda-dce", "steps": 14, "warmup": 2, "decay": 0.5},
        ],
        "report": {"steps": 1, "canvases": 4, "replicates": 2},
    }
    return make_recipe({"dtype": "float32", **table}, list(changes), "test")


def finish(session: TrainingSession, stop_at: int | None = None) -> list[object]:
    events = []
    for event in session.events():
        events.append(event)
        if isinstance(event, StepReport) and event.progress.step == stop_at:
            session.stop.set()
    return events


def tensors(run: Path) -> dict[str, torch.Tensor]:
    flat: dict[str, torch.Tensor] = {}

    def prepare(stored: TensorSpecs) -> dict[str, torch.Tensor]:
        flat.update({name: torch.empty(size, dtype=dtype) for name, (size, dtype) in stored.items()})
        return flat

    States(run / "state", World()).load(prepare)
    return flat | load_file(run / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    left, right = tensors(a), tensors(b)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_a_run_leaves_a_checkpoint_that_generates(text: Path, tmp_path: Path) -> None:
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU))
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.parameterization == "RADD" and checkpoint.length == 16 and checkpoint.tokenizer is not None
    (sample,) = generate(checkpoint, seed=1, steps=8)
    assert len(sample.ids) == 16
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [r["step"] for r in lines if r["kind"] == "train"] == list(range(1, 21))
    (validation,) = [r for r in lines if r["kind"] == "validation"]
    assert validation["standard_error"] > 0
    assert checkpoint.validation_bound == pytest.approx(validation["nats_per_token"])
    assert checkpoint.config.provenance["steps"] == 20
    # States of earlier versions are resumed by these names.
    assert {"network.transformer.vocab_embed.embedding", "average.transformer.vocab_embed.embedding"} <= set(
        tensors(tmp_path / "run")
    )


def test_a_run_ends_with_a_sample_unless_it_is_not_wanted(text: Path, tmp_path: Path) -> None:
    samples = [e for e in finish(TrainingSession(recipe(text), tmp_path / "run", CPU)) if isinstance(e, SampleReport)]
    assert samples == [SampleReport(20, generate(load_checkpoint(tmp_path / "run"), steps=64, seed=0)[0].text)]
    silent = TrainingSession(recipe(text, "report.sample=false"), tmp_path / "silent", CPU)
    assert not any(isinstance(event, SampleReport) for event in finish(silent))


def test_a_sample_is_told_in_whole_sentences_or_words() -> None:
    def told(sample: str) -> str:
        return sample_line(SampleReport(1, sample))

    assert told("cat sat. The dog\nran. It w") == "a sample: The dog ran."
    assert told("ca sat at the do") == "a sample, without a whole sentence yet: ... sat at the ..."
    assert told("") == "a sample: no text yet"


def test_canvases_are_cut_now_and_then(text: Path, tmp_path: Path) -> None:
    def lengths(short: float) -> list[int]:
        """Of the canvases that the network reads in each step."""
        session, seen = TrainingSession(recipe(text, f"data.short={short}"), tmp_path / str(short), CPU), {}

        def note(_: object, inputs: tuple[torch.Tensor]) -> None:
            seen[session.trainer.progress.step] = inputs[0].shape[1]

        for event in session.events():
            if isinstance(event, PreparationReport):
                session.trainer.network.backbone.blocks[0].register_forward_pre_hook(note)
        return [seen[step] for step in range(20)]

    assert lengths(0) == [16] * 20
    some, every = lengths(0.5), lengths(1)
    assert 5 <= some.count(16) <= 15
    assert min(every) >= 2 and max(every) <= 16 and len(set(every)) > 8
    assert all(length in (16, cut) for length, cut in zip(some, every, strict=True))
    assert load_checkpoint(tmp_path / "1").config.provenance["tokens"] == 4 * sum(every)


@pytest.mark.parametrize("stop_at", [3, 6, 13])
def test_resume_goes_on_bit_for_bit(text: Path, tmp_path: Path, stop_at: int) -> None:
    wanted = recipe(text, "data.short=0.3")
    finish(TrainingSession(wanted, tmp_path / "whole", CPU))
    finish(TrainingSession(wanted, tmp_path / "parts", CPU), stop_at=stop_at)
    assert not same(tmp_path / "whole", tmp_path / "parts")
    finish(TrainingSession(wanted, tmp_path / "parts", CPU, resume=True))
    assert same(tmp_path / "whole", tmp_path / "parts")
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == list(range(1, 21))


def test_the_precision_is_measured_once_and_changes_nothing_else(text: Path, tmp_path: Path) -> None:
    """As with the chosen one given, bit for bit; `auto` on resume is what the run began with."""
    events = finish(TrainingSession(recipe(text, "dtype=auto"), tmp_path / "auto", CPU), 4)
    (note,) = next(event for event in events if isinstance(event, PreparationReport)).notes
    chosen = RunFolder(tmp_path / "auto").load_recipe().dtype
    assert re.fullmatch(rf"bfloat16: [\d,]+ tokens a second, float32: [\d,]+; training in {chosen}", note)
    events = finish(TrainingSession(recipe(text, f"dtype={chosen}"), tmp_path / "given", CPU), 4)
    assert next(event for event in events if isinstance(event, PreparationReport)).notes == ()
    assert same(tmp_path / "auto", tmp_path / "given")
    finish(TrainingSession(recipe(text, "dtype=bfloat16"), tmp_path / "half", CPU), 4)
    resumed = TrainingSession(recipe(text, "dtype=auto"), tmp_path / "half", CPU, resume=True)
    finish(resumed, 5)
    assert resumed.trainer.network.autocast == torch.bfloat16


def test_measuring_leaves_the_generators(text: Path) -> None:
    before = torch.random.get_rng_state()
    fastest_precision(recipe(text, "dtype=auto"), 257, World())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_run_is_resumed_whose_files_an_editor_has_marked(text: Path, tmp_path: Path) -> None:
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU), stop_at=6)
    for path in (tmp_path / "run").glob("*.json*"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU, resume=True))
    assert load_checkpoint(tmp_path / "run").config.provenance["steps"] == 20


@pytest.mark.slow
def test_a_run_killed_at_any_moment_loses_nothing(text: Path, tmp_path: Path) -> None:
    """SIGKILL twenty times, with a save at every step: ten times at a random moment of training, ten times as soon
    as a file of a save is seen under way."""
    changes = ["--set", "phases.1.steps=2500", "--set", "save.minutes=0.0000001", "--set", "report.sample=false"]
    path = tmp_path / "recipe.toml"
    path.write_text(tomlkit.dumps(recipe(text).model_dump(mode="json", exclude_none=True)))
    command = [sys.executable, "-m", "sedd_cli", "train", str(path), "--device", "cpu", *changes]
    subprocess.run([*command, "-o", str(tmp_path / "whole")], check=True, capture_output=True)
    run, moments, in_a_save = tmp_path / "run", random.Random(1), 0
    for number in range(20):
        resume = ["--resume"] if (run / "recipe.json").exists() else []
        with subprocess.Popen([*command, "-o", str(run), *resume], stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            # Some lines of stderr tell of the plan; then training is about to begin.
            while b"held out" not in process.stderr.readline():
                assert process.poll() is None
            if number % 2:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(moments.uniform(0, 0.3))
            else:
                while not under_way(run) and process.poll() is None:
                    pass
            assert process.poll() is None, "the run ended before it was killed"
            process.kill()
        in_a_save += bool(under_way(run))
    assert in_a_save >= 5
    done = subprocess.run([*command, "-o", str(run), "--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert same(tmp_path / "whole", run)
    assert not under_way(run)


def under_way(run: Path) -> list[Path]:
    """Files of a save that are not in their place yet."""
    return list(run.glob("**/.*.part"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch compiles with c++")
@pytest.mark.filterwarnings("ignore")  # torch warns of its own compiler
def test_compiled_blocks_learn_the_same(text: Path, tmp_path: Path) -> None:
    losses = []
    for compiled in ("false", "true"):
        changes = (f"model.compile={compiled}", "model.dropout=0.0")
        events = finish(TrainingSession(recipe(text, *changes), tmp_path / compiled, CPU))
        losses.append([event.loss for event in events if isinstance(event, StepReport)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_resume_refuses_another_recipe_and_names_the_keys(text: Path, tmp_path: Path) -> None:
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU), stop_at=2)
    other = recipe(text, "model.hidden_size=32", "optimiser.clip=2.0", "phases.1.steps=99", "data.short=0.5")
    with pytest.raises(UsageError, match=r"data\.short, model\.hidden_size, optimiser\.clip\n"):
        TrainingSession(other, tmp_path / "run", CPU, resume=True)
    with pytest.raises(UsageError, match="there is a run in"):
        TrainingSession(recipe(text), tmp_path / "run", CPU)
    with pytest.raises(NotLoadableError, match="no run to resume"):
        TrainingSession(recipe(text), tmp_path / "none", CPU, resume=True)
    table = json.loads((tmp_path / "run" / "recipe.json").read_text())
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(table | {"sede": 1}))
    with pytest.raises(NotLoadableError, match=r"recipe\.json: unknown key sede, did you mean seed"):
        TrainingSession(recipe(text), tmp_path / "run", CPU, resume=True)


def test_a_checkpoint_that_is_there_is_not_trained_over(text: Path, tmp_path: Path) -> None:
    finish(TrainingSession(recipe(text), tmp_path / "made", CPU), stop_at=1)
    there = tmp_path / "there"
    there.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(tmp_path / "made" / name, there)
        with pytest.raises(UsageError, match="there is a checkpoint in"):
            TrainingSession(recipe(text), there, CPU)
    assert sorted(path.name for path in there.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_a_folder_of_other_things_is_left_as_it_is(text: Path, tmp_path: Path) -> None:
    mine = tmp_path / "run" / "data" / "train.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        TrainingSession(recipe(text), tmp_path / "run", CPU)
    assert mine.read_text() == "mine" and list((tmp_path / "run").rglob("*")) == [mine.parent, mine]
    finish(TrainingSession(recipe(text), tmp_path / "other", CPU), stop_at=1)
    kept, left = tmp_path / "other" / "mine" / ".a.part", tmp_path / "other" / ".b.part"
    kept.parent.mkdir()
    for path in (kept, left):
        path.write_text("half")
    TrainingSession(recipe(text), tmp_path / "other", CPU, resume=True)
    assert kept.exists() and not left.exists()


def test_two_runs_do_not_share_a_folder(text: Path, tmp_path: Path) -> None:
    first = TrainingSession(recipe(text), tmp_path / "run", CPU)
    with pytest.raises(UsageError, match="another process trains in"):
        TrainingSession(recipe(text, "tokenizer=bpe:300"), tmp_path / "run", CPU)
    events = first.events()
    while not isinstance(next(events), StepReport):
        pass
    with pytest.raises(UsageError, match="another process trains in"):
        TrainingSession(recipe(text), tmp_path / "run", CPU, resume=True)
    first.stop.set()
    for _ in events:
        pass
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU, resume=True))


def test_the_last_bound_stands_until_there_is_another(text: Path, tmp_path: Path) -> None:
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU))
    bound = load_checkpoint(tmp_path / "run").config.provenance["bound"]
    finish(TrainingSession(recipe(text, "phases.1.steps=30"), tmp_path / "run", CPU, resume=True), stop_at=22)
    provenance = load_checkpoint(tmp_path / "run").config.provenance
    assert provenance["steps"] == 22 and provenance["bound"] == bound


def test_a_step_that_costs_more_is_no_divergence_where_next_to_nothing_is_left_to_learn(text: Path) -> None:
    """A step of two tokens costs nats, however well a text is known."""
    trained = recipe(text, "phases.0.steps=1000")
    network = make_network(trained, 257, CPU)
    for smallest, loss, diverges in ((0.02, 5.0, False), (0.02, 30.0, True), (3.0, 60.0, False), (3.0, 90.0, True)):
        trainer = Trainer(trained, network, cast(PackedCorpus, SimpleNamespace(length=16)), World())
        trainer.progress = Progress(step=200, phase_step=200, smoothed=smallest, smallest=smallest)
        with pytest.raises(DivergedError, match="diverges") if diverges else nullcontext():
            trainer._update_progress(loss, 1.0, 16)


def test_a_validation_text_without_a_document_is_told_before_anything_is_packed(text: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    session = TrainingSession(recipe(text, f"data.validation={tmp_path / 'empty.txt'}"), tmp_path / "run", CPU)
    with pytest.raises(UsageError, match=r"empty\.txt holds no text"):
        finish(session)
    assert not list((tmp_path / "run" / "data").iterdir())


def test_a_run_for_a_text_goes_on_by_its_own_recipe(sedd: Sedd, text: Path, tmp_path: Path) -> None:
    """Though the text is gone, and whatever --minutes there were at first."""
    run = tmp_path / "run"
    small = ("model.hidden_size=16", "model.n_blocks=1", "model.length=16", "batch_size=4", "micro_batch=4")
    changes = [part for change in (*small, "report.sample=false") for part in ("--set", change)]
    assert sedd("train", str(text), "-o", str(run), "--minutes", "0.002", *changes).code == 0
    steps = load_checkpoint(run).config.provenance["steps"]
    text.unlink()
    again = sedd("train", str(text), "-o", str(run), "--resume", "--minutes", "0.004")
    assert again.code == 0, again.stderr
    after = load_checkpoint(run).config.provenance["steps"]
    assert isinstance(steps, int) and isinstance(after, int) and after > steps
    shown = sedd("train", str(text), "-o", str(run), "--resume", "--dry-run").stdout
    phases = tomlkit.parse(shown).unwrap()["phases"]
    assert [phase["max_minutes"] for phase in phases] == pytest.approx([0.0005, 0.0015]), "as it was begun"
    assert sedd("train", str(text), "-o", str(run), "--resume", "--set", "batch_size=8").code == 2


@pytest.mark.parametrize("damaged", ["*.distcp", ".metadata"])
def test_a_damaged_state_falls_back_to_the_one_before(text: Path, tmp_path: Path, damaged: str) -> None:
    finish(TrainingSession(recipe(text), tmp_path / "whole", CPU))
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU), stop_at=9)
    newest = sorted((tmp_path / "run" / "state").glob(f"*/{damaged}"))[-1]
    newest.write_bytes(newest.read_bytes()[:500])
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU, resume=True))
    assert same(tmp_path / "whole", tmp_path / "run")


def test_a_finished_run_goes_on_and_what_it_saved_stands_until_there_is_more(text: Path, tmp_path: Path) -> None:
    finish(TrainingSession(recipe(text, "phases.1.decay=0.0"), tmp_path / "whole", CPU))
    run = tmp_path / "run"
    finish(TrainingSession(recipe(text, "phases.1.decay=0.0", "phases.1.steps=5"), run, CPU))
    (saved,) = (run / "state").glob("0000000011*")
    before = saved.stat().st_ino
    finish(TrainingSession(recipe(text, "phases.1.decay=0.0", "phases.1.steps=5"), run, CPU, resume=True))
    assert saved.stat().st_ino == before and len(list((run / "state").glob("0000000011*"))) == 2
    finish(TrainingSession(recipe(text, "phases.1.decay=0.0"), run, CPU, resume=True))
    assert same(tmp_path / "whole", run)


def test_numbers_next_to_nothing_are_nothing_while_it_trains(text: Path, tmp_path: Path) -> None:
    def kept() -> bool:
        return float(torch.tensor(1e-38) / 100) > 0

    events = TrainingSession(recipe(text), tmp_path / "run", CPU).events()
    assert kept() and next(events) and not kept()
    events.close()  # type: ignore[attr-defined]
    assert kept()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file that is written meanwhile grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_stops_with_what_was_saved(sedd: Sedd, text: Path, tmp_path: Path) -> None:
    """No room for another state, as a limit on the size of files: what was there stays, and goes on elsewhere."""
    finish(TrainingSession(recipe(text), tmp_path / "whole", CPU))
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU), stop_at=9)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    room = 10_000
    assert max(map(len, before.values())) > room
    table = tmp_path / "recipe.toml"
    table.write_text(tomlkit.dumps(recipe(text).model_dump(mode="json", exclude_none=True)))
    with largest_file(room):
        full = sedd("train", str(table), "--device", "cpu", "--resume", "-o", str(tmp_path / "run"))
    assert full.code == 1 and "cannot write" in full.stderr and "Traceback" not in full.stderr
    for path, content in before.items():
        assert path.read_bytes()[: len(content)] == content, path
    assert not under_way(tmp_path / "run")
    finish(TrainingSession(recipe(text), tmp_path / "run", CPU, resume=True))
    assert same(tmp_path / "whole", tmp_path / "run")


def test_a_phase_may_be_made_to_end_on_resume(text: Path, tmp_path: Path) -> None:
    """The stable part of a run is copied, and the copy decays: how a snapshot is taken without ending the run."""
    finish(TrainingSession(recipe(text, "phases.1.decay=0.0"), tmp_path / "run", CPU), stop_at=12)
    ending = recipe(text, "phases.1.decay=0.5", "phases.1.steps=12")
    events = finish(TrainingSession(ending, tmp_path / "run", CPU, resume=True))
    rates = [event.rate for event in events if isinstance(event, StepReport)]
    assert rates == pytest.approx([1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_a_loss_that_is_no_number_stops_with_the_last_good_state(text: Path, tmp_path: Path) -> None:
    diverging = recipe(text, "optimiser.learning_rate=1e37", "optimiser.name=adamw")
    with pytest.raises(SeddError, match="the loss became nan at step") as caught:
        finish(TrainingSession(diverging, tmp_path / "run", CPU))
    assert "learning_rate" in caught.value.hint
    assert all(bool(t.isfinite().all()) for t in load_file(tmp_path / "run" / "model.safetensors").values())


def test_the_command(text: Path, tmp_path: Path, sedd: Sedd) -> None:
    recipe_file = tmp_path / "r.toml"
    dry = sedd("train", str(text), "--dry-run", "--minutes", "2", "--set", "model.length=16")
    recipe_file.write_bytes(dry.stdout)
    assert sedd("train", str(recipe_file), "--dry-run").stdout == dry.stdout
    changes = ["--set", "phases.0={objective='ao', steps=3}", "--set", "phases.1={objective='ao', steps=3}"]
    done = sedd("train", str(recipe_file), "-o", str(tmp_path / "run"), *changes)
    assert done.code == 0 and done.stdout == b"" and "bits a byte" in done.stderr
    assert sedd("generate", "-m", str(tmp_path / "run"), "--seed", "1").code == 0


@pytest.mark.parametrize(
    ("content", "changes", "code", "message"),
    [
        ("", [], 2, "holds no text"),
        ("one line and no more", [], 2, "is a single document"),
        ("one line and no more", [], 2, "Put a blank line between its documents"),
        ("a\n\nb\n\nc", [], 2, "fewer than one canvas"),
        ("caf\xe9\n\nau lait", [], 3, "is not UTF-8: byte 0xe9 at offset 3"),
        ("a\n\nb", ["--tokenizer", "bpe:9"], 2, "a BPE vocabulary has"),
        ("a\n\nb", ["--tokenizer", "bpe:4k"], 2, "a BPE vocabulary has"),
        ("a\n\nb", ["--tokenizer", "gpt-2"], 3, "there is no tokenizer at gpt-2"),
        ("a\n\nb", ["--minutes", "inf"], 2, "minutes must be"),
        ("a\n\nb", ["--set", "phases.1.max_minutes=inf"], 2, "finite"),
        ("a\n\nb", ["--set", "modle.length=3"], 2, "unknown key modle, did you mean model?"),
        ("a\n\nb", ["--set", "model.lenght=3"], 2, "unknown key model.lenght, did you mean length?"),
        ("a\n\nb", ["--set", "model.length"], 2, "--set takes key=value"),
        ("a\n\nb", ["--set", "model.n_heads=7"], 2, "not an even multiple of n_heads 7"),
        ("a\n\nb", ["--set", "phases.0.objective=magic"], 2, "phases.0.objective"),
        ("a\n\nb", ["--set", "phases.9.steps=1"], 2, "there is no phases.9.steps"),
        ("a\n\nb", ["--set", "model.process=uniform"], 2, "model.form radd needs model.process absorb"),
        ("a\n\nb", ["--minutes", "0"], 2, "minutes must be above 0"),
        ("a\n\nb", ["b.txt"], 2, "train takes one text, folder or recipe, not b.txt as well"),
    ],
)
def test_bad_input_says_what_to_do(
    content: str, changes: list[str], code: int, message: str, tmp_path: Path, sedd: Sedd
) -> None:
    (tmp_path / "text.txt").write_bytes(content.encode("latin-1"))
    result = sedd("train", str(tmp_path / "text.txt"), "-o", str(tmp_path / "run"), *changes)
    assert (result.code, result.stdout) == (code, b"") and message in result.stderr


def test_places_that_cannot_be_written_or_read(text: Path, tmp_path: Path, sedd: Sedd) -> None:
    assert "cannot make /proc/run" in sedd("train", str(text), "-o", "/proc/run").stderr
    assert sedd("train", str(tmp_path / "none.txt"), "-o", str(tmp_path / "run")).code == 3
    assert sedd("train", str(text)).code == 2
    (tmp_path / "good.toml").write_bytes(sedd("train", str(text), "--dry-run").stdout)
    timed = sedd("train", str(tmp_path / "good.toml"), "--minutes", "60", "--dry-run")
    assert timed.code == 2 and "a recipe has its own duration" in timed.stderr
    (tmp_path / "bad.toml").write_text("name = [")
    assert "is not TOML" in sedd("train", str(tmp_path / "bad.toml"), "-o", str(tmp_path / "run")).stderr
