"""`sedd generate`, run in this process: what goes to stdout, what to stderr, and the exit code."""

import json
import os
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from sedd_cli import Checkpoint, generate
from sedd_cli.atomic import write_file
from tests.conftest import PARITY, Sedd

QUICK = ("--length", "24", "--steps", "8", "--seed", "7")

pytestmark = pytest.mark.usefixtures("shallow_by_default")


def test_stdout_is_the_text_and_nothing_else(sedd: Sedd, built_in: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEDD_MODEL")
    (sample,) = generate(built_in, defaults="checkpoint", length=24, steps=8, seed=7)
    result = sedd("generate", *QUICK)
    assert result.code == 0
    assert result.stdout == f"{sample.text}\n".encode()
    assert "seed 7" in result.stderr and "\x1b" not in result.stderr


def test_output_file_holds_what_stdout_would(sedd: Sedd, tmp_path: Path) -> None:
    expected = sedd("generate", "-n", "3", *QUICK).stdout
    result = sedd("generate", "-n", "3", *QUICK, "-o", str(tmp_path / "out.txt"))
    assert result.stdout == b""
    assert (tmp_path / "out.txt").read_bytes() == expected
    assert expected.count(b"\n<|endoftext|>\n") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_dash_is_stdout(sedd: Sedd, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    expected, out = sedd("generate", *QUICK), tmp_path / "out.txt"
    assert sedd("generate", *QUICK, "-o", "-").stdout == expected.stdout
    assert sedd("generate", *QUICK, "-o", str(out), "--trace", str(tmp_path / "run.jsonl")).code == 0
    traced = sedd("generate", *QUICK, "-o", str(out), "--trace", "-")
    assert traced.code == 0 and capfd.readouterr().out == (tmp_path / "run.jsonl").read_text()
    mixed = sedd("generate", *QUICK, "--trace", "-")
    assert mixed.code == 2 and "the text and --trace both write to stdout" in mixed.stderr


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs paths of descriptors")
def test_output_to_a_descriptor_appends_to_its_file(sedd: Sedd, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    with log.open("ab") as file:
        assert sedd("generate", *QUICK, "-o", f"/dev/fd/{file.fileno()}").code == 0
    assert log.read_bytes() == b"old\n" + sedd("generate", *QUICK).stdout


def test_stopped_it_writes_what_is_there_but_not_over_a_file(
    sedd: Sedd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sedd_cli.generation.engine import Run

    steps = Run.steps

    def stopped(self: Run):  # type: ignore[no-untyped-def]
        yield next(iter(steps(self)))
        raise KeyboardInterrupt

    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("kept")
    monkeypatch.setattr(Run, "steps", stopped)
    result = sedd("generate", *QUICK, "-o", str(old))
    assert result.code == 130 and old.read_text() == "kept" and "old.txt was left as it is" in result.stderr
    assert b"[[" in result.stdout
    assert sedd("generate", *QUICK, "-o", str(new)).code == 130 and "[[" in new.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_text_that_cannot_be_written_leaves_its_trace_and_its_seed(sedd: Sedd, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    result = sedd("generate", *QUICK, "-o", "/dev/full", "--trace", str(trace))
    assert result.code == 1 and "seed 7" in result.stderr.split("error: cannot write /dev/full")[0]
    played = sedd("replay", str(trace), "--no-live")
    assert played.code == 0 and played.stdout == sedd("generate", *QUICK).stdout


def test_row_is_the_text_of_that_row(sedd: Sedd) -> None:
    texts = sedd("generate", "-n", "3", *QUICK).stdout.split(b"<|endoftext|>\n")
    assert sedd("generate", "--row", "2", *QUICK).stdout == texts[2]


def test_json(sedd: Sedd, shallow: Checkpoint) -> None:
    record = json.loads(sedd("generate", "Once", "--json", "-n", "2", "--revise", "0", *QUICK).stdout)
    assert record["schema_version"] == 1
    assert record["model"] == {"name": shallow.name, "sha256": shallow.hash, "precision": "float32"}
    assert record["settings"]["steps"] == 8 and record["settings"]["seed"] == 7
    assert [(s["row"], s["seed"], s["complete"]) for s in record["samples"]] == [(0, 7, True), (1, 7, True)]
    for sample in record["samples"]:
        assert sample["text"].startswith("Once") and len(sample["ids"]) == 24 and 0 < sample["nfe"] <= 9


def test_what_is_finished_is_told_though_its_weights_were_replaced_meanwhile(
    sedd: Sedd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sedd_cli.generation.engine import Run

    steps, path = Run.steps, folder / "model.safetensors"
    loaded = sha256(path.read_bytes()).hexdigest()

    def meddled(self: Run):  # type: ignore[no-untyped-def]
        yield from steps(self)
        write_file(path, b"what a training run saves")

    monkeypatch.setattr(Run, "steps", meddled)
    result = sedd("generate", "-m", str(folder), "--json", *QUICK)
    assert result.code == 0 and json.loads(result.stdout)["model"]["sha256"] == loaded


def test_a_seed_that_was_not_given_is_told_and_repeats(sedd: Sedd) -> None:
    result = sedd("generate", "--length", "24", "--steps", "8")
    seed = result.stderr.split("seed ")[1].split(",")[0]
    assert sedd("generate", "--length", "24", "--steps", "8", "--seed", seed).stdout == result.stdout


def test_prompt_from_stdin(sedd: Sedd) -> None:
    given = sedd("generate", "Once upon", *QUICK).stdout
    for piped in (b"Once upon\n", b"Once upon\r\n", b"\xef\xbb\xbfOnce upon"):
        assert sedd("generate", "-", *QUICK, stdin=piped).stdout == given


@pytest.mark.skipif(sys.platform == "win32", reason="stdin cannot be asked there")
def test_stdin_that_is_not_read_is_noted_where_data_waits(sedd: Sedd, tmp_path: Path) -> None:
    (file := tmp_path / "prompt.txt").write_text("Once upon")
    idle, full, closed = os.pipe(), os.pipe(), os.pipe()
    os.write(full[1], b"Once upon\n")
    os.close(closed[1])
    for reader, noted in ((full[0], True), (idle[0], False), (closed[0], False), (file, True), (os.devnull, False)):
        with open(reader) as stdin:  # noqa: PTH123 - of descriptors
            result = sedd("generate", *QUICK, stdin=stdin)
        assert result.code == 0 and ("stdin is not read" in result.stderr) == noted, reader
    for writer in (idle[1], full[1]):
        os.close(writer)
    with file.open() as stdin:
        assert "not read" not in sedd("generate", "Once upon", *QUICK, stdin=stdin).stderr


def test_end_of_text_ends_the_text_unless_the_full_canvas_is_wanted(sedd: Sedd) -> None:
    prompt = ("-m", "tinystories", "They lived happily ever after.")
    options = ("generate", *prompt, "--seed", "1", "--steps", "32", "--length", "64")
    story = sedd(*options).stdout
    whole = sedd(*options, "--full-canvas").stdout
    assert b"<|endoftext|>" not in story
    assert whole.startswith(story.rstrip(b"\n") + b"\n<|endoftext|>\n")


def test_hostile_prompt_is_copied_to_a_pipe_and_inert_in_messages(sedd: Sedd) -> None:
    prompt = "[/red]\x1b]0;owned\x07 [bold]"
    result = sedd("generate", prompt, *QUICK)
    assert result.code == 0 and result.stdout.startswith(prompt.encode())
    assert "\x1b" not in result.stderr
    refused = sedd("generate", "-m", "no\x1b[31m[/red]such")
    assert refused.code == 3 and "\x1b" not in refused.stderr and "\\x1b[31m[/red]such" in refused.stderr


def test_trace_tells_the_whole_run(sedd: Sedd, tmp_path: Path, shallow: Checkpoint) -> None:
    path = tmp_path / "run.jsonl"
    result = sedd("generate", "A 🌍", "--json", "-n", "2", "--trace", str(path), *QUICK)
    header, *lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert header["format"] == "sedd-trace" and header["checkpoint"]["sha256"] == shallow.hash
    for sample in json.loads(result.stdout)["samples"]:
        start, *steps = [line for line in lines if line["row"] == sample["row"]]
        canvas, pieces = start["ids"], start["pieces"]
        assert [p is None for p in pieces] == [i == header["mask_id"] for i in canvas]
        assert [i for i, p in enumerate(pieces) if p is None] == header["free"]
        for step in steps:
            for position, token, piece in zip(step["positions"], step["ids"], step["pieces"], strict=True):
                canvas[position], pieces[position] = token, piece
        assert canvas == sample["ids"] and len(steps) == sample["nfe"] == steps[-1]["nfe"]
        assert shallow.tokenizer is not None
        assert pieces == [shallow.tokenizer.id_to_token(i) for i in canvas]


def test_a_long_canvas_earns_a_warning(sedd: Sedd) -> None:
    result = sedd("generate", "--length", "300", "--steps", "4", "--seed", "1")
    assert result.code == 0 and "was trained on 256" in result.stderr
    assert "warning" not in sedd("generate", "--length", "300", "--steps", "4", "-q").stderr


def test_steps_that_decide_nothing_are_named(sedd: Sedd) -> None:
    options = ("--order", "confidence", "--per-call", "4", "--revise", "0", "--steps", "64", "--length", "8")
    done = sedd("generate", *options)
    assert "per-call says how many calls there are: --steps 64 has no effect" in done.stderr
    assert "2 network calls" in done.stderr


def test_a_foreign_prompt_earns_a_warning(sedd: Sedd, built_in: Checkpoint) -> None:
    options = ("-m", built_in.name, "--steps", "4", "--length", "48")
    foreign = sedd("generate", "The quarterly revenue report shows an operating margin of 12%.", *options)
    assert f"{built_in.name} knows children's stories; this prompt surprises it" in foreign.stderr
    for at_home in ("Once upon a time there was a little dog named Max.", "Once upon a time", "One day, a bird"):
        assert "warning" not in sedd("generate", at_home, *options).stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--steps", "0"], 2, "steps must be at least 1, not 0"),
        (["--length", "0"], 2, "length must be at least 1, not 0"),
        (["--sampler", "ddim"], 2, "ddim"),
        (["--device", "tpu"], 2, "unknown device 'tpu'"),
        (["--dtype", "float16"], 2, "CUDA and MPS only"),
        (["word " * 300], 2, "no room on a canvas of 256"),
        (["-m", "gpt5"], 3, "no checkpoint 'gpt5'"),
        (["-m", str(PARITY / "absorb")], 2, "has no tokenizer"),
        (["-o", "/no/such/folder/out.txt"], 1, "cannot write /no/such/folder/out.txt: No such file"),
        (["-o", "."], 2, "holds other files"),
        (["--trace", "/no/such/folder/trace"], 1, "cannot write"),
        (["-o", "x" * 300], 1, "File name too long"),
        (["-o", "both", "--trace", "./both"], 2, "-o and --trace both write to both"),
        (["--device", "cpu:"], 2, "unknown device 'cpu:'"),
    ],
)
def test_errors_say_what_and_exit(sedd: Sedd, arguments: list[str], code: int, message: str) -> None:
    result = sedd("generate", *arguments)
    assert (result.code, result.stdout) == (code, b"")
    assert message in result.stderr and "Traceback" not in result.stderr


def test_stdin_that_is_closed_or_not_utf8(sedd: Sedd) -> None:
    assert sedd("generate", *QUICK, stdin=None).code == 0
    closed = sedd("generate", "-", stdin=None)
    assert closed.code == 2 and "stdin is closed" in closed.stderr
    garbled = sedd("generate", "-", stdin=b"caf\xe9 au lait")
    assert garbled.code == 2 and "byte 0xe9 at offset 3" in garbled.stderr


def test_a_read_only_target_is_left_alone(sedd: Sedd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run as root, for whom every file is writable: say what the system would say to others.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    target = tmp_path / "out.txt"
    target.write_text("mine")
    result = sedd("generate", *QUICK, "-o", str(target))
    assert result.code == 1 and "it is read-only" in result.stderr
    assert target.read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("option", ["-o", "--trace"])
def test_a_full_disk_is_told_and_a_failed_trace_spares_the_text(sedd: Sedd, option: str) -> None:
    result = sedd("generate", *QUICK, option, "/dev/full")
    assert result.code == 1 and "cannot write /dev/full: No space left on device" in result.stderr
    assert (result.stdout != b"") == (option == "--trace")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_trace_that_fails_under_way_spares_the_text(sedd: Sedd) -> None:
    # A trace of 13 kB: more than a file buffers, so that writing fails before the end.
    settings = ("--length", "128", "--steps", "32", "--seed", "7")
    result = sedd("generate", *settings, "--trace", "/dev/full")
    assert result.code == 1 and "cannot write /dev/full: No space left on device" in result.stderr
    assert result.stdout == sedd("generate", *settings).stdout


def test_forced_colour_in_a_pipe_shows_no_live_view(sedd: Sedd, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[?1049h" not in sedd("generate", *QUICK, "--color", "always").stderr
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[?1049h" not in sedd("generate", *QUICK).stderr


def test_words_of_a_prompt_need_no_quotes(sedd: Sedd) -> None:
    assert sedd("generate", "Once", "upon", *QUICK).stdout == sedd("generate", "Once upon", *QUICK).stdout


def test_debug_shows_the_traceback(sedd: Sedd) -> None:
    with pytest.raises(Exception, match="no checkpoint"):
        sedd("--debug", "generate", "-m", "gpt5")


def test_version(sedd: Sedd) -> None:
    assert sedd("--version").stdout == b"sedd 0.2.0\n"


def test_paths_that_cannot_be_looked_at(sedd: Sedd, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300)
    for arguments, code in ((("-o", str(long)), 1), (("-m", str(long)), 3), (("-m", "~nosuchuser/run"), 3)):
        result = sedd("generate", *QUICK, *arguments)
        assert result.code == code and "should not happen" not in result.stderr, result.stderr
        assert "nosuchuser" in result.stderr or "File name too long" in result.stderr


def test_a_bad_choice_is_told_in_plain_words(sedd: Sedd) -> None:
    for arguments, option in (
        (("generate", "--sampler", "foo"), "'--sampler'"),
        (("eval", "perplexity", "--data", "x", "--split", "foo"), "'--split'"),
    ):
        refused = sedd(*arguments)
        assert refused.code == 2 and f"Invalid value for {option}: 'foo' is not one of" in refused.stderr


def test_what_is_no_number_is_told_in_plain_words(sedd: Sedd) -> None:
    for option, kind in (("--steps", "a whole number"), ("--temperature", "a number")):
        refused = sedd("generate", option, "many")
        assert refused.code == 2 and f"Invalid value for '{option}': it must be {kind} " in refused.stderr
