"""What runs on a CUDA device: run with `pytest -m cuda`, where there is one."""

from pathlib import Path

import pytest
import torch

from sedd_cli import Checkpoint, generate, infill, load_checkpoint, score
from sedd_cli.training.loop import StepReport
from sedd_cli.training.recipe import make_recipe
from sedd_cli.training.session import TrainingSession
from tests.training.conftest import write_corpus

pytestmark = pytest.mark.cuda
DEVICE = "cuda"
TEXT = "Once upon a time, there was a little girl named Lily. She loved to play in the park."
DOCUMENT = "One day, Tom saw a big ____ in the park.\r\nHe was happy."


@pytest.fixture(scope="module")
def cpu() -> Checkpoint:
    return load_checkpoint()


@torch.no_grad()
def test_scores_are_those_of_the_cpu(cpu: Checkpoint) -> None:
    device, x = load_checkpoint(device=DEVICE, dtype="float32"), torch.arange(512).view(2, 256)
    x[:, ::3] = cpu.mask_id
    sigma = torch.tensor([0.3, 2.0])
    ours = device.model.log_score(x.to(DEVICE), sigma.to(DEVICE)).cpu()
    torch.testing.assert_close(ours, cpu.model.log_score(x, sigma), atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["auto", "bfloat16", "float16"])
def test_a_text_costs_what_it_does_on_the_cpu(cpu: Checkpoint, dtype: str) -> None:
    device = load_checkpoint(device=DEVICE, dtype=dtype)
    ours, theirs = (score(checkpoint, TEXT, seed=0) for checkpoint in (device, cpu))
    assert ours.nats == pytest.approx(theirs.nats, abs=0.05 * theirs.num_tokens)


def test_texts_are_written_and_documents_kept() -> None:
    device = load_checkpoint(device=DEVICE)
    samples = generate(device, steps=32, seed=0, num_samples=4)
    assert len({sample.text for sample in samples}) == 4 and all(len(sample.text) > 100 for sample in samples)
    start = DOCUMENT.index("____")
    (filling,) = infill(device, DOCUMENT, [(start, start + 4)], steps=16, seed=0)
    assert filling.text.startswith(DOCUMENT[:start]) and filling.text.endswith(DOCUMENT[start + 4 :])


@pytest.mark.filterwarnings("ignore")  # torch warns of its own compiler
@pytest.mark.parametrize("compiled", [False, True])
def test_a_run_learns_and_resumes(tmp_path: Path, compiled: bool) -> None:
    phases = [{"objective": "autoregressive", "steps": 10}, {"objective": "simple", "steps": 40}]
    table = {
        "tokenizer": "bpe:280",
        "phases": phases,
        "model": {"hidden_size": 64, "n_blocks": 2, "n_heads": 2, "length": 32, "compile": compiled},
        "data": {"train": str(write_corpus(tmp_path)), "short": 0.1},
        "report": {"sample": False},
    }
    recipe = make_recipe(table, [], "test")
    losses: list[float] = []
    session = TrainingSession(recipe, tmp_path / "run", torch.device(DEVICE))
    for event in session.events():
        if isinstance(event, StepReport) and event.objective == "simple":
            losses.append(event.loss)
            if len(losses) == 20:
                session.stop.set()
    resumed = TrainingSession(recipe, tmp_path / "run", torch.device(DEVICE), resume=True)
    losses += [event.loss for event in resumed.events() if isinstance(event, StepReport)]
    assert len(losses) == 40 and sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert generate(load_checkpoint(tmp_path / "run", device=DEVICE), steps=8, seed=0)[0].text
