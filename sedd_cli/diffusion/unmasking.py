"""Which masked positions are written when, and which return to MASK: all but the tokens' own law."""

from dataclasses import dataclass, fields
from typing import get_args

from sedd_cli.diffusion.names import OrderName, RemaskName
from sedd_cli.errors import UsageError
from sedd_cli.ranges import FROM_0, FROM_1, SHARE, SHARE_OR_0

ETA = {"cap": 0.008, "rescale": 0.015, "loop": 0.02}
"""ReMDM's own settings (2503.00307)."""


@dataclass(frozen=True, kw_only=True)
class Unmasking:
    """The default is the law of the process: every order is as likely as every other.

    `order`: the surest tokens first, by `confidence` (the probability of the token drawn; LLaDA, 2502.09992), `margin`
    (of the likeliest over the second) or `entropy` (e^-H; Dream, 2508.15487), or from left to right. Each call writes
    `per_call` of them, all above `threshold` and at least one (Fast-dLLM, 2505.22618), or as many as the steps need.
    An end of the text is no surer than `eos_confidence`.

    `remask`: return written positions to MASK (ReMDM, 2503.00307), as many as `eta` says. `correct`: updates that draw
    a written position again from its conditional (Gibbs), which change no law. `revise`: rounds that read what is
    written, and write anew what the truncated law never draws there given the rest (`samplers.revised`). `block`: write
    blocks of so many positions from left to right, `horizon` MASKs after a block being visible (None: all).

    Raises `UsageError` for a value out of range, and for two that exclude each other.
    """

    order: OrderName = "random"
    per_call: int | None = None
    threshold: float | None = None
    eos_confidence: float | None = None
    remask: RemaskName | None = None
    eta: float | None = None
    correct: int = 0
    revise: int = 0
    block: int | None = None
    horizon: int | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (("order", self.order, OrderName), ("remask", self.remask, RemaskName)):
            if value is not None and value not in get_args(choices):
                raise UsageError(f"unknown {name} {value!r}", f"Choose one of {', '.join(get_args(choices))}.")
        FROM_1.check("per-call", self.per_call)
        SHARE.check("threshold", self.threshold)
        SHARE_OR_0.check("eos-confidence", self.eos_confidence)
        SHARE.check("eta", self.eta)
        FROM_0.check("correct", self.correct)
        FROM_0.check("revise", self.revise)
        FROM_1.check("block", self.block)
        FROM_0.check("horizon", self.horizon)
        self._check_pairs()

    def _check_pairs(self) -> None:
        if self.remask is not None and self.order != "random":
            raise UsageError(
                f"remask {self.remask} chooses its own times, which order {self.order} would overrule",
                "Leave one of them out.",
            )
        if self.remask is not None and self.revise:
            raise UsageError("remask and revise both mask again what is written", "Leave one of them out.")
        if self.per_call is not None and self.threshold is not None:
            raise UsageError("per-call and threshold both say how many tokens a call writes", "Leave one of them out.")
        if self.order == "random" and self.per_call is not None:
            raise UsageError("per-call needs an order", "Name one, such as --order confidence.")
        if not self.by_sureness:
            for name, value in (("threshold", self.threshold), ("eos-confidence", self.eos_confidence)):
                if value is not None:
                    raise UsageError(
                        f"{name} needs an order by how sure tokens are", "Name one, such as --order confidence."
                    )
        if self.eta is not None and self.remask not in ETA:
            raise UsageError("eta has no use without remask cap, rescale or loop", "Name one, such as --remask cap.")
        if self.horizon is not None and self.block is None:
            raise UsageError("horizon counts the MASKs after a block", "Give --block too.")

    @property
    def by_sureness(self) -> bool:
        """Whether all masked positions have to be scored to tell which are written."""
        return self.order not in ("random", "left-to-right")

    @property
    def asked(self) -> str | None:
        """The first of its options that is not as by default."""
        default = Unmasking()
        changed = (item.name for item in fields(self) if getattr(self, item.name) != getattr(default, item.name))
        return next((name.replace("_", "-") for name in changed), None)

    @property
    def changes_law(self) -> bool:
        """Whether samples are other than those of the process; `correct` alone keeps its law."""
        return self.order != "random" or self.remask is not None or self.block is not None or self.revise > 0
