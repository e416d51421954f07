"""A trace read back is the run itself, moment by moment; a damaged one is an error or what can be shown."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sedd_cli import Checkpoint, Gap, NotLoadableError, Request, Run, SeddError, Step, UsageError
from sedd_cli.cli.watch import make_frame as watched
from sedd_cli.generation.infill import Infilling
from sedd_cli.generation.job import Job
from sedd_cli.generation.recording import RecordedMoment, RecordedSample, Recording, parse, read
from sedd_cli.generation.trace_lines import EditLine, StepLine
from sedd_cli.render.replay import make_frame
from tests.traces import STORY, held, record, redrawn, two_windows


def same_as_the_run(job: Job, lines: list[bytes], steps: list[Step]) -> Recording:
    """Every moment's canvas, figures and picture are those of the step that was recorded."""
    recording = parse(lines)
    assert recording.warning == ""
    for number in recording.numbers:
        recorded = recording.sample(number)
        mine = [step for step in steps if step.row in job.rows_of(number)]
        start, *moments = recorded.moments()
        assert start.number == 0 and len(moments) == len(mine) == recorded.last == recorded.calls
        for calls, (moment, step) in enumerate(zip(moments, mine, strict=True), start=1):
            assert make_frame(recorded, moment) == watched(job, step, calls)
            assert [cell.id for cell in moment.canvas.tokens] == step.ids.tolist()
            assert isinstance(moment.line, StepLine) and moment.number == calls
            assert (moment.line.step, moment.line.t, moment.line.nfe) == (step.step, step.t, step.nfe)
            written = [moment.canvas.tokens[i] for i in step.changed.tolist()]
            assert [c.probability for c in written] == step.probability.tolist()
            assert [c.entropy for c in written] == step.entropy.tolist()
            assert {c.moment for c in written} <= {calls}
        assert recorded.at(recorded.last).canvases == moments[-1].canvases
    return recording


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": "A 🌍", "num_samples": 3, "batch_size": 2, "row": 1},
        {"prompt": "Once upon", "suffix": " They were 🌍\r\n"},
        {"prompt": "Once upon a "},
        {"prompt": "Once upon", "suffix": "They were happy."},
        {"sampler": "first-hitting"},
        {"sampler": "euler", "score": "raw", "length": 16},
        {"prompt": "They lived happily ever after.", "seed": 1, "steps": 32, "length": 64},
        {"remask": "cap", "eta": 0.3, "steps": 16},
        {"order": "margin", "block": 8, "correct": 3},
    ],
)
def test_every_moment_of_a_text(shallow: Checkpoint, options: dict[str, object]) -> None:
    run = Run(shallow, Request(**{"length": 24, "steps": 8, "seed": 7, **options}))  # type: ignore[arg-type]
    lines, steps = record(run)
    recording = same_as_the_run(run, lines, steps)
    assert recording.numbers == list(run.rows)
    for sample in run.samples():
        recorded = recording.sample(sample.row)
        assert recorded.text(recorded.at(recorded.last)) == sample.text
    recorded = recording.sample(run.rows[0])
    mine = [step for step in steps if step.row == run.rows[0]]
    for moment, step in zip(list(recorded.moments())[1:], mine, strict=True):
        assert recorded.text(moment) == run.text_of(step.ids)


def healed(checkpoint: Checkpoint) -> Infilling:
    """A gap behind a blank: its tokens bring the blank along."""
    document = "He went to the park. It was a big dog."
    return Infilling(checkpoint, Request(steps=8, seed=3), document, [Gap(11, 19), Gap(28, 29)])


def test_a_suffix_recorded_without_its_blank_is_shown_so(shallow: Checkpoint) -> None:
    """As traces of earlier versions hold it."""
    lines, _ = record(Run(shallow, Request(prompt="Once upon", suffix="the end", length=16, steps=4, seed=1)))
    header, start, *steps = (json.loads(line) for line in lines)
    assert start["pieces"][-2:] == ["\u0120the", "\u0120end"]
    start["pieces"][-2] = "the"
    sample = parse([json.dumps(line).encode() for line in (header, start, *steps)]).sample()
    new = parse(lines).sample()
    assert new.text(new.at(new.last)).endswith(" the end")
    assert sample.text(sample.at(sample.last)) == new.text(new.at(new.last)).removesuffix(" the end") + "the end"


def of_crlf(checkpoint: Checkpoint) -> Infilling:
    """What is written holds line ends, which the document writes as CRLF."""
    document = "Once upon a time, there was a little dog\r\nnamed Max.\r\n\r\nThe end.\r\n"
    return Infilling(checkpoint, Request(steps=8, seed=1), document, [Gap(54, 54, 90)])


def inserted(checkpoint: Checkpoint) -> Infilling:
    """Before words, so that a blank is put behind what is written."""
    return Infilling(checkpoint, Request(steps=8, seed=1), "Tom had a red kite.", [Gap(0, 0, 2), Gap(14, 14, 3)])


def drafted(checkpoint: Checkpoint) -> Infilling:
    """Each row keeps other tokens of the gap."""
    request = Request(steps=8, seed=1, strength=0.5, num_samples=2)
    return Infilling(checkpoint, request, "Tom had a red kite and a big dog.", [Gap(4, 22)])


@pytest.mark.parametrize(
    "make", [lambda c: two_windows(c, num_samples=2, row=1, batch_size=2), redrawn, healed, of_crlf, inserted, drafted]
)
def test_every_moment_of_a_document(shallow: Checkpoint, built_in: Checkpoint, make: object) -> None:
    job: Infilling = make(built_in if make is of_crlf else shallow)  # type: ignore[operator]
    lines, steps = record(job)
    recording = same_as_the_run(job, lines, steps)
    for filling in job.fillings():
        recorded = recording.sample(filling.row)
        assert recorded.text(recorded.at(recorded.last)) == filling.text
    if job.document == STORY:
        recorded = recording.sample()
        assert (
            recorded.text(recorded.at(0))
            == STORY[:20] + "[[5]]" + STORY[33:45] + "[[3]]" + STORY[52:240] + "[[6]]" + STORY[262:]
        )
    elif make is of_crlf:
        document = job.fillings()[0].text
        assert document.count("\n") == document.count("\r\n") > job.document.count("\n")
        # Traces of before the key kept the line ends that the network wrote.
        old = json.loads(lines[0])
        assert old.pop("newline") == "\r\n"
        bare = parse([json.dumps(old).encode(), *lines[1:]]).sample()
        text = bare.text(bare.at(bare.last))
        assert text != document and text.replace("\r\n", "\n") == document.replace("\r\n", "\n")
        with pytest.raises(NotLoadableError, match="no line end"):
            parse([json.dumps({**old, "newline": "x"}).encode()])
    elif make is redrawn:
        told = [line for n in recording.numbers for line in recording.sample(n).lines if isinstance(line, StepLine)]
        assert any(line.remasked for line in told)


@pytest.mark.parametrize("stop", [1, 4])
def test_a_run_that_was_stopped(shallow: Checkpoint, stop: int) -> None:
    job = two_windows(shallow)
    lines, _ = record(job, stop)
    recorded = parse(lines).sample()
    assert recorded.last == stop and recorded.text(recorded.at(stop)) == job.fillings()[0].text


def test_without_a_tokenizer_tokens_go_by_number(tiny: Checkpoint) -> None:
    run = Run(tiny, Request(length=6, steps=4, seed=1))
    lines, steps = record(run)
    recorded = same_as_the_run(run, lines, steps).sample()
    assert recorded.text(recorded.at(recorded.last)).split() == [str(i) for i in run.samples()[0].ids.tolist()]


def test_edits_by_hand(shallow: Checkpoint) -> None:
    branch = held(shallow)
    recording = parse(branch.trace())
    recorded = recording.sample()
    moments: list[RecordedMoment] = list(recorded.moments())
    assert len(moments) == len(branch.moments) and sum(bool(m.edit) for m in branch.moments) == 4
    for moment, was in zip(moments, branch.moments, strict=True):
        (state,) = was.states
        assert [c.id for c in moment.canvas.tokens] == state.ids.tolist()
        assert moment.canvas.free == set(state.free.nonzero().squeeze(-1).tolist())
        confidence = [None if c != c else c for c in was.confidence[0].tolist()]
        assert [cell.probability for cell in moment.canvas.tokens] == confidence
        assert [cell.moment for cell in moment.canvas.tokens] == was.revealed[0].tolist()
        assert moment.masks == was.masked and moment.calls == branch.calls_made(moment.number)
        assert recorded.text(moment) == branch.job.text_of(state.ids)  # type: ignore[attr-defined]
        if was.edit:
            assert isinstance(moment.line, EditLine) and moment.line.edit == was.edit


def test_moments_and_rows_that_are_not_there(shallow: Checkpoint) -> None:
    lines, _ = record(Run(shallow, Request(length=8, steps=4, seed=1, num_samples=2)))
    recording = parse(lines)
    with pytest.raises(UsageError, match="holds rows 0, 1, not 2"):
        recording.sample(2)
    with pytest.raises(UsageError, match="there is no step 99: this text has steps 0 to"):
        recording.sample(1).at(99)
    with pytest.raises(NotLoadableError, match="holds no step"):
        parse(lines[:1]).sample()


@pytest.fixture(scope="module")
def trace(shallow: Checkpoint) -> bytes:
    return b"".join(held(shallow).trace())


def test_a_byte_order_mark_is_no_part_of_a_trace(trace: bytes, tmp_path: Path) -> None:
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + trace)
    marked, plain = read(tmp_path / "marked"), parse(trace.splitlines(keepends=True))
    assert marked.header == plain.header and marked.numbers == plain.numbers


def test_a_trace_that_was_cut_shows_what_came_before(trace: bytes) -> None:
    whole = parse(trace.splitlines(keepends=True)).sample()
    for cut in range(trace.index(b"\n") + 1, len(trace), 97):
        recording = parse(trace[:cut].splitlines(keepends=True))
        # A line that lacks its newline alone lacks nothing.
        whole_lines = trace[: cut + 1].count(b"\n")
        assert (recording.warning == "") == trace[: cut + 1].endswith((b"\n", b"\n{"))
        if recording.warning:
            assert f"cut short in line {whole_lines + 1}" in recording.warning
        if recording.numbers:
            recorded = recording.sample()
            assert recorded.lines == whole.lines[: max(0, whole_lines - 2)]
    assert parse(trace.removesuffix(b"\n").splitlines(keepends=True)).sample().lines == whole.lines
    assert parse([b"\n" if not line else line + b"\r\n" for line in trace.split(b"\n")]).sample().lines == whole.lines


DAMAGE: list[tuple[int, str, object, str]] = [
    (0, "version", 2, "trace is a trace of version 2, and this sedd reads version 1"),
    (0, "version", "1", "line 1: 'version' holds what is no whole number"),
    (0, "settings", [], "line 1: 'settings' is no object"),
    (0, "rows", [0, 7], "'rows' do not follow each other"),
    (0, "free", [9000], "'free' is out of range"),
    (0, "length", 10**30, "'length' is out of range (1 to 9.0072e+15): far too large"),
    (1, "row", 4, "line 2: row 4 is none of this trace"),
    (1, "ids", [1], "line 2: 'ids' has 1 entries, not 24"),
    (2, "row", None, "line 3: 'row' holds what is no whole number"),
    (2, "t", float("nan"), "line 3: not JSON (NaN is no number)"),
    (2, "t", 1.5, "line 3: 't' is out of range (0 to 1): 1.5"),
    (2, "t", True, "line 3: 't' holds what is no number"),
    (2, "probability", [-1e308], "'probability'"),
    (2, "entropy", [], "'entropy' has 0 entries"),
    (2, "positions", [24], "'positions' is out of range (0 to 23): 24"),
    (2, "positions", [3, 3], "a position stands twice in 'positions'"),
    (2, "pieces", [7], "'pieces'"),
    (2, "pieces", ["\ud800"], "line 3: not UTF-8"),
    (2, "remasked", [-1], "'remasked' is out of range"),
]


@pytest.mark.parametrize(("number", "key", "value", "message"), DAMAGE)
def test_what_was_changed_is_named_by_its_line(
    trace: bytes, number: int, key: str, value: object, message: str
) -> None:
    lines = trace.splitlines(keepends=True)
    record = json.loads(lines[number])
    if isinstance(value, list) and len(value) == 1 and key != "ids":
        value = value * len(record.get(key, [0]))
    lines[number] = json.dumps({**record, key: value}).encode() + b"\n"
    with pytest.raises(NotLoadableError) as caught:
        parse(lines)
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["row", "step", "positions", "ids", "pieces", "probability", "entropy", "t", "nfe"])
def test_what_is_missing_is_named(trace: bytes, key: str) -> None:
    lines = trace.splitlines(keepends=True)
    lines[2] = json.dumps({k: v for k, v in json.loads(lines[2]).items() if k != key}).encode() + b"\n"
    with pytest.raises(NotLoadableError, match=r"line 3: (no '|'ids' has)"):
        parse(lines)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"hello\n", "is no trace of sedd"),
        (b"\x89PNG\r\n\x1a\n\x00", "is no trace of sedd"),
        (b"[" * 100_000, "is no trace of sedd"),
        (b"[1, 2]\n", "is no trace of sedd"),
        (b'{"format":"other"}\n', "is no trace of sedd"),
        (b'{"format":"sedd-trace","version":1}\n', "line 1: no 'settings'"),
    ],
)
def test_what_is_no_trace(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(NotLoadableError, match=message):
        read(path)


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(NotLoadableError, match="cannot read"):
            read(path)


def shown(recording: Recording) -> None:
    """All that anyone asks of a recording."""
    for number in recording.numbers:
        recorded: RecordedSample = recording.sample(number)
        for moment in recorded.moments():
            text = recorded.text(moment) + "".join(piece or "" for piece in make_frame(recorded, moment).pieces)
            text.encode()


def test_damage_gives_an_error_or_a_result(trace: bytes, shallow: Checkpoint) -> None:
    document = b"".join(record(two_windows(shallow))[0])

    @settings(max_examples=300, deadline=None)
    @given(st.sampled_from([trace, document]), st.data())
    def damaged(whole: bytes, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(1, 3))):
            whole = damage(whole, data)
        try:
            recording = parse(whole.splitlines(keepends=True))
            if recording.numbers:
                shown(recording)
        except SeddError as error:
            str(error).encode()

    damaged()


def damage(whole: bytes, data: st.DataObject) -> bytes:
    """A trace with some bytes, lines or values changed."""
    lines = whole.splitlines(keepends=True)
    kind = data.draw(st.sampled_from(["bytes", "cut", "drop", "swap", "value"]))
    at = data.draw(st.integers(0, max(0, len(whole) - 1)))
    if kind == "bytes":
        return whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :]
    if kind == "cut" or not lines:
        return whole[:at]
    i, j = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    if kind == "drop":
        return b"".join(lines[:i] + lines[i + 1 :])
    if kind == "swap":
        lines[i], lines[j] = lines[j], lines[i]
        return b"".join(lines)
    try:
        fields = json.loads(lines[i])
        key = data.draw(st.sampled_from(sorted(fields)))
    except (ValueError, IndexError, TypeError):
        return whole
    odd = st.sampled_from([None, True, -1, 0, 1, 24, 1e999, -0.5, "", "\ud800", "Ġ\x1b", [], [0], [None], {}, 10**400])
    value = fields[key]
    if isinstance(value, list) and value and data.draw(st.booleans()):
        value = [*value]
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(odd)
    else:
        value = data.draw(odd)
    lines[i] = json.dumps({**fields, key: value}).encode() + b"\n"
    return b"".join(lines)


def test_a_large_trace_is_read_in_bounded_time(shallow: Checkpoint) -> None:
    lines, _ = record(Run(shallow, Request(length=4, steps=1, seed=1)))
    header = json.loads(lines[0])
    L, rows = 1024, 3
    header.update(length=L, rows=list(range(rows)), steps=L, free=list(range(L)))
    text = [json.dumps(header)]
    for row in range(rows):
        text.append(json.dumps({"row": row, "ids": [header["mask_id"]] * L, "pieces": [None] * L}))
        for i in range(L):
            # As many as a uniform process moves at once.
            positions = [(i * 7 + j * 31) % L for j in range(32)]
            figures = {"probability": [0.5] * 32, "entropy": [1.25] * 32}
            tokens = {"positions": positions, "ids": [5] * 32, "pieces": ["Ġthe"] * 32}
            text.append(json.dumps({"row": row, "step": i + 1, "t": 0.5, "nfe": i + 1, **tokens, **figures}))
    started = time.monotonic()
    recording = parse(line.encode() + b"\n" for line in text)
    recorded = recording.sample(2)
    assert sum(1 for moment in recorded.moments() if make_frame(recorded, moment)) == L + 1
    assert time.monotonic() - started < 20
