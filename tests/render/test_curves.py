"""The curves of a run: each quantity on axes of its own."""

import json
from pathlib import Path

import pytest

from sedd_cli.errors import NotLoadableError
from sedd_cli.render.curves import plot_run
from tests.conftest import Sedd

pytest.importorskip("matplotlib")

METRICS = [
    {"kind": "train", "step": 10, "objective": "autoregressive", "smoothed": 5.0},
    {"kind": "train", "step": 20, "objective": "simple", "smoothed": 3.0},
    {"kind": "validation", "step": 20, "nats_per_token": 2.5, "standard_error": 0.1},
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "r$u$n"
    folder.mkdir()
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in METRICS))
    return folder


def test_losses_and_the_bound_have_panels_of_their_own(run: Path) -> None:
    drawn = plot_run(run, "svg").decode()
    # Each panel is a group, and holds its title.
    panels = drawn.split('<g id="axes_')[1:]
    assert len(panels) == 3
    for panel, title in zip(panels, ("objective autoregressive", "objective simple", "Validation bound"), strict=True):
        assert title in panel and ("training loss" in panel) != ("nats a token" in panel)
    assert "r$u$n" in drawn


def test_metrics_that_are_not_there(run: Path) -> None:
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(NotLoadableError, match="no step yet"):
        plot_run(run, "svg")
    with pytest.raises(NotLoadableError, match="no metrics"):
        plot_run(run.parent, "svg")


def test_plot_is_a_command_by_either_name(sedd: Sedd, run: Path) -> None:
    done = sedd("plot", str(run))
    assert done.code == 0 and done.stdout == b"" and "curves.svg" in done.stderr
    assert (run / "curves.svg").read_bytes() == plot_run(run, "svg")
    assert sedd("train", "plot", str(run), "-o", str(run / "a.png")).code == 0
    assert (run / "a.png").read_bytes().startswith(b"\x89PNG")
