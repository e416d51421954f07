"""Scripts that no other test runs: what they import is still there."""

import importlib.util
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
SCRIPTS = sorted([*(HOME / "benchmarks").glob("*.py"), *(HOME / "train").glob("*.py"), *(HOME / "docs").glob("*.py")])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_script_can_be_read_in(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(script.parent))
    name = f"script_{script.stem}"
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # where dataclasses look for their annotations
    spec.loader.exec_module(module)
