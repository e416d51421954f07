"""What runs does not depend on torch's default device, which a program that uses the library may set."""

import ast
from pathlib import Path

import pytest
import torch

import sedd_cli
from sedd_cli import Gap, generate, infill, load_checkpoint, score
from tests.conftest import PARITY

FACTORIES = {
    *("arange", "empty", "eye", "full", "linspace", "logspace", "ones"),
    *("rand", "randint", "randn", "randperm", "tensor", "zeros"),
}
PACKAGE = Path(sedd_cli.__file__).parent
MODULES = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE / "models" / "backbones"]
"""Backbones are left out: their parameters are laid out where the caller says."""


def test_tensors_are_made_on_a_device_that_is_named() -> None:
    unnamed = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "torch"
        and node.func.attr in FACTORIES
        and "device" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not unnamed


def run(name: str) -> tuple[object, ...]:
    ckpt = load_checkpoint(name)
    (sample,) = generate(ckpt, length=16, steps=4, seed=1)
    if ckpt.tokenizer is None:
        return tuple(sample.ids.tolist())
    document = "Once upon a time."
    (filling,) = infill(ckpt, document, [Gap(5, 9, (1, 2))], steps=2, seed=1)
    return sample.text, filling.text, score(ckpt, document, replicates=2, pseudo=True).nats


@pytest.mark.parametrize("name", ["tinystories", str(PARITY / "uniform"), str(PARITY / "absorb")])
def test_another_default_device_changes_nothing(name: str) -> None:
    expected = run(name)
    with torch.device("meta"):
        assert run(name) == expected
