"""The cost of a lower precision: two checkpoints of one network (say float32 and int8) on the same noise and draws."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sedd_cli.diffusion.likelihood import estimate
from sedd_cli.diffusion.names import Estimator
from sedd_cli.diffusion.processes import Process
from sedd_cli.diffusion.randomness import MONTE_CARLO, uniforms
from sedd_cli.diffusion.schedules import sigma_of_masked
from sedd_cli.errors import UsageError
from sedd_cli.generation.engine import Run
from sedd_cli.generation.request import Request
from sedd_cli.models.checkpoint import Checkpoint


@dataclass(frozen=True)
class Agreement:
    """Agreement of one text that both sample from the same seed. `same`: share of positions with equal final tokens.

    `parted_at`: the first network call after which the canvases differ, counted from 1; None if they never differ.
    """

    same: float
    parted_at: int | None
    calls: int


@dataclass(frozen=True)
class Fidelity:
    """Comparison of a checkpoint with the reference.

    `bound`: the reference's, `difference`: the other's minus that, in nats a token; `standard_error` is that of the
    difference, from replicates on the same noise.

    At the masked positions of one canvas: `largest` and `mean`, absolute differences of log c over all tokens (largest
    at the rarest); `variation`, the mean distance in total variation of c, which is the share of draws that have to
    differ. An autoregressive checkpoint has them of each token, given those before it. For the uniform process the
    first two are of the log scores, at all positions, and the last is None.
    """

    estimator: Estimator
    bound: float
    difference: float
    standard_error: float
    replicates: int
    largest: float
    mean: float
    variation: float | None
    agreement: Agreement


def fidelity(
    reference: Checkpoint,
    other: Checkpoint,
    x0: Tensor,
    *,
    estimator: Estimator,
    replicates: int = 8,
    seed: int = 0,
    steps: int = 256,
) -> Fidelity:
    """Compare two checkpoints on canvases x0 (N, L), and by a text of L tokens that each samples in `steps` steps.

    Raises `UsageError` if their vocabularies or processes differ, or if the estimator does not fit the process.
    """
    if reference.process != other.process:
        raise UsageError(
            f"{reference.name} and {other.name} are not of one vocabulary and process, so they cannot be compared",
            "Give the same checkpoint in another precision.",
        )
    ours, theirs = (
        estimate(
            *(c.model, c.process, c.noise, x0),
            estimator=estimator,
            replicates=replicates,
            seed=seed,
            blocks=c.blocks,
        ).replicates.sum(1)
        / x0.numel()
        for c in (reference, other)
    )
    difference = theirs - ours
    before, after = (_log_c(checkpoint, x0[:1], seed) for checkpoint in (reference, other))
    errors = (after - before).abs()
    normalised = reference.mask_id is not None
    return Fidelity(
        estimator=estimator,
        bound=float(ours.mean()),
        difference=float(difference.mean()),
        standard_error=float(difference.std() / replicates**0.5),
        replicates=replicates,
        largest=float(errors.max()),
        mean=float(errors.mean()),
        variation=float((after.exp() - before.exp()).abs().sum(-1).mean() / 2) if normalised else None,
        agreement=agreement(reference, other, length=x0.shape[1], steps=steps, seed=seed),
    )


def agreement(reference: Checkpoint, other: Checkpoint, *, length: int, steps: int, seed: int) -> Agreement:
    """Sample row 0 of a seed with both, from noise alone, and find where they diverge.

    They usually diverge early: among thousands of likely tokens, inverse-transform sampling turns a shift of a
    thousandth into another token, and from there on the texts differ.
    """
    runs = [Run(checkpoint, Request(length=length, steps=steps, seed=seed)) for checkpoint in (reference, other)]
    calls, parted_at = 0, None
    for ours, theirs in zip(*(run.steps() for run in runs), strict=True):
        calls += 1
        if parted_at is None and not torch.equal(ours.ids, theirs.ids):
            parted_at = calls
    (ours,), (theirs,) = (run.samples() for run in runs)
    return Agreement(float((ours.ids == theirs.ids).double().mean()), parted_at, calls)


def _log_c(checkpoint: Checkpoint, x0: Tensor, seed: int) -> Tensor:
    """log c (n, tokens) of a canvas (1, L) of which half is noised; the log scores for the uniform process.

    For a causal process, which has no noise, the log probabilities of each next token.
    """
    process, L = checkpoint.process, x0.shape[1]
    if not isinstance(process, Process):
        scored = checkpoint.model.log_scores(x0, torch.zeros(1, device="cpu"), torch.ones_like(x0, dtype=torch.bool))
        return torch.cat([part.log_score.cpu() for part in scored])
    # In random order, but evenly spread: at least one position is masked, whatever the length.
    u = uniforms(seed, 0, MONTE_CARLO, size=L).argsort()[None] / L
    half = torch.tensor([0.5], dtype=torch.float64, device="cpu")
    if process.mask_id is not None:
        x = process.perturb(x0, -torch.log(half), u)
        scored = checkpoint.model.log_scores(x, sigma_of_masked(checkpoint.noise, half), x == process.mask_id)
        return torch.cat([part.log_score.cpu() for part in scored]).log_softmax(-1)
    sigma = checkpoint.noise.total(half)
    x = process.perturb(x0, sigma, u)
    scored = checkpoint.model.log_scores(x, sigma, torch.ones_like(x, dtype=torch.bool))
    return torch.cat([part.log_score.cpu() for part in scored])
