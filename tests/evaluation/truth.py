"""Checkpoints whose network is the enumerated truth of a small space, with one token a letter."""

from types import SimpleNamespace
from typing import cast

from sedd_cli import Checkpoint
from sedd_cli.diffusion.processes import Absorbing, Process
from sedd_cli.diffusion.schedules import Geometric, LogLinear
from tests.diffusion.oracle import Oracle, Space

WIDE = Geometric(1e-4, 20.0)


class Letters:
    """One token a letter: a, b, c, ..."""

    size = 26
    end_of_text_id = None

    def encode(self, text: str) -> list[int]:
        return [ord(letter) - ord("a") for letter in text]

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [self.encode(text) for text in texts]

    def bytes_of(self, token: int) -> bytes:
        return bytes([ord("a") + token])


def truth(space: Space, process: Process | None = None, network: Oracle | None = None) -> Checkpoint:
    """A checkpoint whose network is the oracle of a space, or another one."""
    process = process or Absorbing(space.tokens)
    fields = {
        "name": "truth",
        "process": process,
        "mask_id": process.mask_id,
        "autoregressive": False,
        "blocks": None,
        "opening": None,
        "noise": LogLinear() if isinstance(process, Absorbing) else WIDE,
        "model": network or Oracle(space, process),
        "tokenizer": Letters(),
        "length": space.length,
    }
    return cast(Checkpoint, SimpleNamespace(**fields))
