"""Is a prompt of the checkpoint's world? Its bound, beside what the checkpoint reaches on its own validation text."""

import torch

from sedd_cli.diffusion.likelihood import estimate
from sedd_cli.diffusion.processes import Absorbing
from sedd_cli.models.checkpoint import Checkpoint

FEWEST, MOST = 4, 64
"""Tokens: fewer say too little (a name costs much anywhere), more cost time and change nothing."""
ROOM = 256
"""Tokens of the canvas that they stand on, if it was trained on as many. Not just their own: a network that has only
seen long canvases finds four tokens alone strange, whatever they are (benchmarks/short.py)."""


def surprise(checkpoint: Checkpoint, text: str) -> float | None:
    """The text's bound in nats a token over the checkpoint's validation bound: about 1 is at home, 2 is foreign.

    The any-order bound of the first 64 tokens, nothing being known of what follows, less its standard error. None
    where that cannot be told: no tokenizer, no bound in the checkpoint's provenance, a uniform process, or fewer than
    4 tokens.
    """
    validation = checkpoint.validation_bound
    if checkpoint.tokenizer is None or validation is None or not isinstance(checkpoint.process, Absorbing):
        return None
    ids = checkpoint.tokenizer.encode(text)[:MOST]
    if len(ids) < FEWEST:
        return None
    canvas = torch.full((1, max(len(ids), min(ROOM, checkpoint.length))), checkpoint.process.mask_id)
    canvas[0, : len(ids)] = torch.tensor(ids)
    bound = estimate(
        *(checkpoint.model, checkpoint.process, checkpoint.noise, canvas),
        form="ao",
        where=canvas != checkpoint.process.mask_id,
        replicates=4,
        draws=2,
    )
    return (float(bound.nats) - bound.standard_error) / len(ids) / validation
