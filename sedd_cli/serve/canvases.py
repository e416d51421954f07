"""Canvases as they are sent while they are written."""

from collections.abc import Sequence
from itertools import groupby

from sedd_cli.models.checkpoint import Checkpoint


def texts_and_masks(checkpoint: Checkpoint, ids: Sequence[int]) -> list[str | int]:
    """Tokens in their order: those written as strings, those still masked as their number."""
    tokenizer = checkpoint.tokenizer
    assert tokenizer is not None
    runs = groupby(ids, key=lambda token: token == checkpoint.mask_id)
    return [len(list(tokens)) if masked else tokenizer.decode(tokens) for masked, tokens in runs]
