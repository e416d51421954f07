"""MAUVE (Pillutla et al., 2102.01454) of given features, by the package `mauve-text`."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torch import Tensor, stack

from sedd_cli.errors import SeddError

MIN_TEXTS = 1000
"""Number of texts per side below which MAUVE is unreliable: its authors use thousands."""


@dataclass(frozen=True)
class Mauve:
    """`value`: in (0, 1], 1 for equal sets. `clusters`: of the features. `texts`: number of texts of each side."""

    value: float
    clusters: int
    texts: tuple[int, int]


def require_mauve() -> None:
    """Raises `SeddError` if the package is not installed."""
    if find_spec("mauve") is None or find_spec("faiss") is None:
        raise SeddError("MAUVE needs the package mauve-text", "Install sedd-cli[eval], or leave out the reference.")


def compute_mauve(features: Sequence[Tensor], reference: Sequence[Tensor], seed: int = 0) -> Mauve | None:
    """MAUVE of texts against real ones, one feature (D,) per text; None if either side has fewer than two.

    The number of clusters is the package's default: a tenth of the smaller side, at least 2. `seed`: of k-means.
    """
    require_mauve()
    if min(len(features), len(reference)) < 2:
        return None
    from mauve import compute_mauve as compute

    faiss: Any = import_module("faiss")
    kmeans = faiss.Kmeans
    # Below 39 points per cluster, which MAUVE's default always is, faiss writes a warning past Python's stderr.
    faiss.Kmeans = partial(kmeans, min_points_per_centroid=1)
    try:
        with warnings.catch_warnings():
            # For equal features the explained variance of PCA is 0 / 0.
            warnings.simplefilter("ignore", RuntimeWarning)
            # The seed must fit a C int, and MAUVE adds small numbers to it.
            result = compute(
                p_features=stack(list(features)).numpy(),
                q_features=stack(list(reference)).numpy(),
                seed=seed % (1 << 30),
            )
    finally:
        faiss.Kmeans = kmeans
    return Mauve(float(result.mauve), int(result.num_buckets), (len(features), len(reference)))
