"""Branches: every moment kept, left at any of them; and what else could stand at a position."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sedd_cli import Checkpoint, Gap, Request, Run, SeddError, generate, load_checkpoint
from sedd_cli.diffusion.branching import remask, write
from sedd_cli.diffusion.samplers import State
from sedd_cli.generation.alternatives import alternatives
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.infill import Infilling
from tests.conftest import PARITY

STORY = "Once upon a time, there was a little dog. He ran to the park and saw a cat. They were happy.\n"
GAPS = [Gap(4, 9), Gap(29, 36)]
OPTIONS: dict[str, Any] = {"length": 24, "steps": 8, "seed": 3}


def carried(branch: Branch, steps: int | None = None) -> Branch:
    """The same branch so many steps on, or at its end."""
    for made, step in enumerate(branch.resume(), start=1):
        branch.add(step)
        if made == steps:
            break
    return branch


def stepped(branch: Branch) -> Branch:
    """The same branch at its end, each step asked for by itself."""
    while not branch.finished:
        carried(branch, 1)
    return branch


def begun(checkpoint: Checkpoint, number: int = 0, **options: Any) -> Branch:
    return Branch.begin(Run(checkpoint, Request(**{**OPTIONS, **options})), number)


def edited(branch: Branch, at: int, edit: Callable[[State], State], label: str = "edit", canvas: int = 0) -> Branch:
    return branch.edited(at, {canvas: edit(branch.moments[at].states[canvas])}, label)


def ids(branch: Branch, canvas: int = 0) -> list[int]:
    return branch.tip.states[canvas].ids.tolist()


@pytest.mark.parametrize("sampler", ["tweedie", "first-hitting"])
@pytest.mark.parametrize("how", [carried, stepped])
def test_a_branch_goes_where_the_library_goes(
    shallow: Checkpoint, sampler: str, how: Callable[[Branch], Branch]
) -> None:
    samples = generate(shallow, num_samples=2, sampler=sampler, **OPTIONS)  # type: ignore[arg-type]
    for number, sample in enumerate(samples):
        branch = how(begun(shallow, number, sampler=sampler))
        assert ids(branch) == sample.ids.tolist() and branch.calls_made(branch.last) == branch.last == sample.nfe


def test_moments_tell_all_that_happened(shallow: Checkpoint) -> None:
    branch = begun(shallow, prompt="A cat")
    first = branch.tip
    assert branch.last == 0 and first.step is None and first.edit == "" and not branch.finished
    needed = branch.calls_left(0)
    assert first.masked == int(first.states[0].free.sum()) and not bool((first.revealed[0] >= 0).any())
    carried(branch)
    assert branch.finished and branch.last == needed and branch.tip.masked == 0
    for at, (before, moment) in enumerate(zip(branch.moments, branch.moments[1:], strict=False), start=1):
        step = moment.step
        assert step is not None and moment.canvases == {0}
        assert moment.masked == before.masked - len(step.changed)
        assert moment.masked == moment.states[0].ids.tolist().count(shallow.mask_id)
        assert branch.calls_made(at) == at and branch.calls_left(at) == needed - at
        assert torch.equal(moment.confidence[0][step.changed], step.probability)
        assert set(moment.revealed[0][step.changed].tolist()) == {at}
        same = torch.ones(24, dtype=torch.bool).index_fill(0, step.changed, False)
        for now, then in ((moment.confidence, before.confidence), (moment.revealed, before.revealed)):
            assert torch.equal(now[0][same].nan_to_num(-1), then[0][same].nan_to_num(-1))
    kept = ~first.states[0].free
    assert bool(branch.tip.confidence[0][kept].isnan().all()) and bool((branch.tip.revealed[0][kept] == -1).all())


@pytest.mark.parametrize("sampler", ["tweedie", "euler", "first-hitting"])
def test_a_branch_without_edits_is_the_original_continuation(shallow: Checkpoint, sampler: str) -> None:
    original = carried(begun(shallow, sampler=sampler))
    for at in (0, 3, original.last):
        fork = edited(original, at, lambda state: replace(state))
        assert fork.parent is original and fork.forked_at == at and fork.last == at + 1
        assert fork.moments[: at + 1] == original.moments[: at + 1]
        carried(fork)
        assert [m.states[0].ids.tolist() for m in fork.moments[at + 2 :]] == [
            m.states[0].ids.tolist() for m in original.moments[at + 1 :]
        ]
        assert fork.calls_made(fork.last) == original.last and fork.last == original.last + 1


def test_an_edit_is_a_moment_and_leaves_the_branch_as_it_was(shallow: Checkpoint) -> None:
    original = carried(begun(shallow))
    before = list(original.moments)
    at, where = original.last, torch.tensor([2, 7])
    sampler = original.job.sampler_of(0)
    fork = edited(original, at, lambda state: remask(sampler, state, where), "remasked 2 tokens")
    assert original.moments == before and fork.tip.edit == "remasked 2 tokens" and fork.tip.step is None
    assert fork.tip.masked == 2 and fork.tip.canvases == {0}
    assert fork.calls_made(fork.last) == original.last and 1 <= fork.calls_left(fork.last) <= 2
    assert bool(fork.tip.confidence[0][where].isnan().all()) and fork.tip.revealed[0][where].tolist() == [-1, -1]
    others = torch.ones(24, dtype=torch.bool).index_fill(0, where, False)
    assert torch.equal(fork.tip.confidence[0][others], original.tip.confidence[0][others])
    token = (ids(original)[5] + 1) % 100
    again = edited(fork, fork.last, lambda state: write(state, torch.tensor([5]), torch.tensor([token])), "chose")
    carried(again)
    assert ids(again)[5] == token and again.tip.masked == 0 and bool(again.tip.confidence[0][5].isnan())
    assert [ids(again)[i] for i in range(24) if i not in (2, 5, 7)] == [
        ids(original)[i] for i in range(24) if i not in (2, 5, 7)
    ]


def test_a_locked_token_survives_and_what_is_around_it_is_written(shallow: Checkpoint) -> None:
    original = carried(begun(shallow))
    sampler, everywhere = original.job.sampler_of(0), torch.arange(24)
    fork = edited(
        original,
        3,
        lambda state: write(remask(sampler, state, everywhere), torch.tensor([4]), torch.tensor([9])),
    )
    assert fork.tip.masked == 23
    carried(fork)
    assert ids(fork)[4] == 9 and shallow.mask_id not in ids(fork)


@pytest.mark.parametrize("how", [carried, stepped])
def test_an_infill_s_branch_goes_where_the_library_goes(shallow: Checkpoint, how: Callable[[Branch], Branch]) -> None:
    document = STORY * 6
    gaps = [*GAPS, Gap(len(STORY) * 5 + 4, len(STORY) * 5 + 9)]
    request = Request(num_samples=2, **OPTIONS)
    job, library = (Infilling(shallow, request, document, gaps) for _ in range(2))
    assert list(library.steps())
    fillings = {filling.row: filling for filling in library.fillings()}
    assert len(job.windows) > 1
    for number in (1, 0):
        branch = how(Branch.begin(job, number))
        written = [text for state in branch.tip.states for text in job.written(state)]
        spans = fillings[number].spans
        assert written == [fillings[number].text[slice(*span)] for span in spans]
        assert branch.calls_made(branch.last) == fillings[number].nfe
        assert {step.canvases for step in branch.moments[1:]} == {frozenset({i}) for i in range(len(job.windows))}


def test_stepping_draws_again_what_is_no_text(shallow: Checkpoint) -> None:
    """As when it is carried on to its end at once."""
    request = Request(length=64, steps=8, seed=3, temperature=1000.0)
    straight, by_steps = (
        how(Branch.begin(Infilling(shallow, request, STORY, [Gap(20, 60, 30)]), 0)) for how in (carried, stepped)
    )
    assert straight.calls_made(straight.last) > straight.calls_left(0), "something was drawn again"
    assert ids(by_steps) == ids(straight)


def replayed(path: Path) -> tuple[dict[str, Any], dict[int, list[int | None]]]:
    """The header of a trace, and the canvases that its lines end with."""
    header, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows: dict[int, list[int]] = {}
    for line in lines:
        if "positions" not in line:
            rows[line["row"]] = line["ids"]
        else:
            for position, token in zip(line["positions"], line["ids"], strict=True):
                rows[line["row"]][position] = token
    return header, rows


def test_a_trace_of_a_branch_with_edits_plays_again(shallow: Checkpoint, tmp_path: Path) -> None:
    original = carried(begun(shallow, number=1))
    sampler = original.job.sampler_of(1)
    fork = edited(original, 4, lambda state: remask(sampler, state, torch.arange(12)), "remasked 12 tokens")
    fork = edited(fork, fork.last, lambda s: write(s, torch.tensor([3]), torch.tensor([9])), 'chose "\x1b[31m"')
    carried(fork)
    path = tmp_path / "trace.jsonl"
    fork.write_trace(path)
    header, rows = replayed(path)
    assert rows == {1: ids(fork)} and header["seed"] == 3 and header["mask_id"] == shallow.mask_id
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    assert "\x1b" not in path.read_text(encoding="utf-8")
    assert [line["edit"] for line in lines if "edit" in line] == ["remasked 12 tokens", 'chose "\x1b[31m"']
    assert [line["nfe"] for line in lines if "nfe" in line] == list(range(1, fork.calls_made(fork.last) + 1))
    kept = next(line for line in reversed(lines) if "edit" in line)
    assert 3 not in kept["free"] and len(kept["free"]) == 23
    assert shallow.tokenizer is not None
    for line in lines:
        pieces = [None if i == shallow.mask_id else shallow.tokenizer.id_to_token(i) for i in line["ids"]]
        assert line["pieces"] == pieces


def test_a_trace_of_one_more_candidate_is_a_trace(shallow: Checkpoint, tmp_path: Path) -> None:
    """As the session's `G` begins one, beyond what the request asked for."""
    carried(begun(shallow, number=1)).write_trace(tmp_path / "trace.jsonl")
    header, rows = replayed(tmp_path / "trace.jsonl")
    assert set(rows) <= set(header["rows"])


def test_a_trace_of_several_windows_plays_again(shallow: Checkpoint, tmp_path: Path) -> None:
    job = Infilling(shallow, Request(**OPTIONS), STORY * 6, [GAPS[0], Gap(len(STORY) * 5 + 4, len(STORY) * 5 + 9)])
    branch = carried(Branch.begin(job, 0))
    first = int(branch.tip.states[1].free.nonzero()[0])
    fork = edited(
        branch, branch.last, lambda s: remask(job.sampler_of(s.row), s, torch.tensor([first])), "remasked 1 token", 1
    )
    carried(fork)
    fork.write_trace(tmp_path / "trace.jsonl")
    header, rows = replayed(tmp_path / "trace.jsonl")
    assert rows == {state.row: state.ids.tolist() for state in fork.tip.states} and len(header["windows"]) == 2


def test_a_trace_that_cannot_be_written_leaves_nothing(shallow: Checkpoint, tmp_path: Path) -> None:
    branch = carried(begun(shallow, steps=1))
    with pytest.raises(SeddError, match="nowhere"):
        branch.write_trace(tmp_path / "nowhere" / "trace.jsonl")
    assert not list(tmp_path.iterdir())


def test_alternatives_are_the_law_that_the_network_gives(shallow: Checkpoint) -> None:
    branch = carried(begun(shallow), 4)
    state = branch.tip.states[0]
    tokens = shallow.config.tokens
    mask = torch.tensor([i == shallow.mask_id for i in state.ids.tolist()])
    for position in (int(mask.nonzero()[0]), int((~mask).nonzero()[0])):
        here = int(state.ids[position])
        x = state.ids.clone()
        x[position] = shallow.mask_id
        sigma = torch.tensor([1.0])
        # In RADD form log scores are log probabilities up to a constant.
        law = shallow.model.log_score(x[None], sigma)[0, position, :tokens].detach().double().softmax(-1)
        found = alternatives(shallow, state, position, count=tokens)
        assert sum(found.probability) == pytest.approx(1) and sorted(found.tokens) == list(range(tokens))
        assert found.law[found.tokens].tolist() == pytest.approx(found.probability, rel=1e-6)
        assert found.probability == sorted(found.probability, reverse=True)
        torch.testing.assert_close(torch.tensor(found.probability).double(), law[found.tokens], rtol=1e-3, atol=1e-7)
        assert found.entropy == pytest.approx(float(torch.special.entr(law).sum()), rel=1e-4)
        expected = None if here == shallow.mask_id else pytest.approx(float(law[here]), rel=1e-3)
        assert found.current == expected
        # What stands at a position says nothing about what could.
        other = replace(state, ids=state.ids.index_fill(0, torch.tensor([position]), 11))
        assert replace(alternatives(shallow, other, position, count=tokens), current=None) == replace(
            found, current=None
        )
    few = alternatives(shallow, state, 0, count=5)
    assert len(few.tokens) == len(few.probability) == 5 and few.entropy == alternatives(shallow, state, 0).entropy


@pytest.mark.parametrize("options", [{}, {"order": "confidence"}, {"temperature": 0.5}], ids=str)
def test_a_step_tells_the_law_that_its_tokens_were_drawn_from(shallow: Checkpoint, options: dict[str, Any]) -> None:
    """The probabilities that the network gave, whatever the settings make of them."""
    branch = carried(begun(shallow, **options))
    step = branch.moments[3].step
    assert step is not None and step.top is not None
    position, probability = int(step.changed[0]), float(step.probability[0])
    found = alternatives(shallow, branch.moments[2].states[0], position)
    assert float(found.law[int(step.ids[position])]) == pytest.approx(probability, rel=1e-4)
    assert step.top.token[0].tolist() == found.tokens[:3]
    assert step.top.probability[0].tolist() == pytest.approx(found.probability[:3], rel=1e-4)
    watched, plain = ids(branch), generate(shallow, **OPTIONS | options)[0].ids.tolist()
    assert watched == plain, "telling it changes no draw"


def test_alternatives_of_a_time_conditioned_network_are_its_scores(shallow: Checkpoint) -> None:
    """SEDD's, read as probabilities at the noise that masks as many positions."""
    checkpoint = load_checkpoint(PARITY / "absorb")
    branch = carried(begun(checkpoint, length=16), 3)
    state = branch.tip.states[0]
    assert checkpoint.mask_id is not None
    position = int((state.ids != checkpoint.mask_id).nonzero()[0])
    x = state.ids.index_fill(0, torch.tensor([position]), checkpoint.mask_id)
    m = (x == checkpoint.mask_id).double().mean()
    sigma = -torch.log1p(-m)
    score = checkpoint.model.log_score(x[None], sigma[None].float())[0, position, : checkpoint.mask_id].detach()
    law = score.double().softmax(-1)
    found = alternatives(checkpoint, state, position, count=len(law))
    torch.testing.assert_close(torch.tensor(found.probability).double(), law[found.tokens], rtol=1e-3, atol=1e-7)


def test_alternatives_of_the_uniform_process_are_its_denoising_step() -> None:
    checkpoint = load_checkpoint(PARITY / "uniform")
    branch = carried(begun(checkpoint, length=16), 4)
    state = branch.tip.states[0]
    assert branch.calls_left(branch.last) == 5
    after = carried(branch, 1).tip.step
    assert after is not None
    # The noise that the sampler takes the state to have.
    sigma = torch.tensor([after.sigma], dtype=torch.float64)
    log_score = checkpoint.model.log_score(state.ids[None], sigma).detach().double()
    weights = checkpoint.process.tweedie_weights(log_score, state.ids[None], sigma, torch.zeros_like(sigma))[0]
    for position in (0, 7):
        law = weights[position].clamp(min=0)
        law = law / law.sum()
        found = alternatives(checkpoint, state, position, count=len(law))
        assert sum(found.probability) == pytest.approx(1) and found.current is not None
        torch.testing.assert_close(torch.tensor(found.probability).double(), law[found.tokens], rtol=1e-3, atol=1e-7)
        assert found.current == pytest.approx(float(law[int(state.ids[position])]), rel=1e-3)
