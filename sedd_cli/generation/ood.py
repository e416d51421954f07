"""How far out of distribution a text is: its bound relative to the checkpoint's bound on its validation text."""

import torch

from sedd_cli.diffusion.likelihood import estimate
from sedd_cli.models.checkpoint import Checkpoint

FEWEST, MOST = 4, 64
"""Tokens: fewer are too noisy (a name is costly in any text), more take time and change nothing."""
ROOM = 256
"""Tokens of the canvas, if the checkpoint was trained on as many. A network trained on long canvases alone finds any
four tokens improbable on a canvas of four (benchmarks/short.py)."""


def ood_ratio(checkpoint: Checkpoint, text: str) -> float | None:
    """The text's bound in nats a token over the checkpoint's validation bound: 1 is in distribution, 2 far out of it.

    Takes the any-order bound of the first 64 tokens, followed by MASK, less its standard error. Returns None if there
    is no tokenizer, no bound in the checkpoint's provenance, a uniform process, or fewer than 4 tokens.
    """
    validation = checkpoint.validation_bound
    mask_id = None if checkpoint.autoregressive else checkpoint.mask_id
    if checkpoint.tokenizer is None or validation is None or mask_id is None:
        return None
    ids = checkpoint.tokenizer.encode(text)[:MOST]
    if len(ids) < FEWEST:
        return None
    canvas = torch.full((1, max(len(ids), min(ROOM, checkpoint.length))), mask_id, device="cpu")
    canvas[0, : len(ids)] = torch.tensor(ids, device="cpu")
    bound = estimate(
        *(checkpoint.model, checkpoint.process, checkpoint.noise, canvas),
        estimator="ao",
        where=canvas != mask_id,
        replicates=4,
        blocks=checkpoint.blocks,
        draws=2,
    )
    return (float(bound.nats) - bound.standard_error) / len(ids) / validation
