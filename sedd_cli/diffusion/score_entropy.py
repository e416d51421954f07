"""Score entropy, pointwise: the loss of SEDD (arXiv 2310.16834), definition 3.1 and equation 5."""

import torch
from torch import Tensor


def score_entropy(log_score: Tensor, ratio: Tensor) -> Tensor:
    """`s - r log s + K(r)` with `K(r) = r (log r - 1)`: zero where `s = r`, positive elsewhere (equation 5).

    With r the true ratio `p(y) / p(x)` it is the explicit loss (SE); with r the conditional ratio
    `p(y | x0) / p(x | x0)`, averaged over x0, it is the denoising loss (DSE, theorem 3.4).
    Shapes: any, `log_score` and `ratio` broadcast together.
    """
    return log_score.exp() - ratio * log_score + torch.xlogy(ratio, ratio) - ratio


def implicit_score_entropy(log_score: Tensor, log_score_back: Tensor) -> Tensor:
    """`s(x)_y - log s(y)_x`: the implicit loss (ISE, proposition 3.3), which needs no ratio of p.

    `log_score_back` is the network's log score at the neighbour y for the move back to x. Averaged over
    `x ~ p` and summed over neighbours it differs from SE by a constant. Shapes: any, broadcast together.
    """
    return log_score.exp() - log_score_back
