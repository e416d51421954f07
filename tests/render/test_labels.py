"""Labels of runs and steps."""

import pytest

from sedd_cli.render.labels import network_label, run_title, step_label


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [(36_000, "36k"), (999_900, "1.0M"), (6_800_000, "6.8M"), (99_970_000, "100M"), (7_600_000_000, "7.6B")],
)
def test_sizes_are_short(parameters: int, expected: str) -> None:
    assert network_label("RADD", parameters) == f"RADD {expected}"


def test_the_title_names_checkpoint_sampler_and_seed() -> None:
    assert run_title("tiny, RADD 1.0M", "tweedie", 8, 3) == "sedd  tiny, RADD 1.0M  tweedie 8  seed 3"


def test_the_step_after_the_last_is_the_denoising_step() -> None:
    assert step_label(8, 8, "tweedie", updates=9) == "step 8/8"
    assert step_label(9, 8, "tweedie") == step_label(9, 8, "tweedie", updates=9) == "denoising step"
    assert step_label(9, 8, "tweedie", updates=12) == "call 9/12"


def test_samplers_of_single_tokens_count_tokens() -> None:
    assert step_label(2, 8, "first-hitting", updates=5) == "token 2/5"
    assert step_label(9, 8, "left-to-right") == "token 9"
