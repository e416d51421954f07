"""The mean of checkpoints' weights: what `train/average.py` makes of them."""

import sys
from pathlib import Path

import pytest
import torch

from sedd_cli import load_checkpoint

sys.path.insert(0, str(Path(__file__).parents[2] / "train"))
from average import average, main


def test_a_mean_is_a_checkpoint_between_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, output = "tinystories", tmp_path / "mean"
    monkeypatch.setattr(sys, "argv", ["average.py", f"{name}=0.2", f"{name}=0.6", "-o", str(output)])
    main()
    mean, part = load_checkpoint(str(output)), load_checkpoint(name)
    for (key, ours), theirs in zip(mean.model.state_dict().items(), part.model.state_dict().values(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=key)
    assert mean.config.model == part.config.model and mean.tokenizer is not None


def test_shares_are_of_their_sum_and_shapes_agree() -> None:
    parts = [({"a": torch.tensor([1.0, 2.0]).half()}, 1.0), ({"a": torch.tensor([5.0, 2.0]).half()}, 3.0)]
    assert average(parts)["a"].tolist() == [4.0, 2.0] and average(parts)["a"].dtype == torch.float32
    with pytest.raises(SystemExit, match="different networks"):
        average([*parts, ({"a": torch.zeros(3)}, 1.0)])
