"""Branches and candidates as text with their figures, in plain words."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sedd_cli.ranges import counted
from sedd_cli.render.inert import inert
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.style import MASK, texts_of, why_last
from sedd_cli.tui.token_text import percent_to_tenth

if TYPE_CHECKING:
    from sedd_cli.generation.branches import Branch

MASKS = re.compile(r"\[\[\d+\]\]")
"""How a text that is not all written names its MASKs."""
INTERVAL = 0.5
"""Seconds between entries of a branch that is being written: it changes with every step."""
NUM_EDITS = 2
"""The most edits of a branch that are named, the last ones."""


@dataclass(frozen=True)
class BranchEntry:
    """A branch: its title, figures about it, and what it writes, on one line."""

    title: str
    facts: tuple[str, ...]
    text: str


class BranchEntries:
    """Makes the entries of scenes; anew only for branches that have changed."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Branch, tuple[tuple[int, float | None, float | None], float, BranchEntry]] = (
            WeakKeyDictionary()
        )

    def of(self, scene: Scene, now: float = math.inf) -> list[BranchEntry]:
        """The entries of a scene's branches, in their order.

        `now` in seconds: those of branches that are not finished may be `INTERVAL` old.
        """
        ranked = {branch: branch.nats for branch in scene.branches if branch.nats is not None}
        best = None
        if len(ranked) > 1:
            # What stood there fits well as a rule, and is not what was asked for.
            best = min((nats for branch, nats in ranked.items() if not why_last(branch)), default=math.inf)
        entries = []
        for branch in scene.branches:
            state = branch.last, branch.nats, best
            made = self._made.get(branch)
            if made is None or (made[0] != state and (branch.finished or now - made[1] >= INTERVAL)):
                made = state, now, _entry(branch, best)
                self._made[branch] = made
            entries.append(made[2])
        return entries


def _entry(branch: "Branch", best: float | None) -> BranchEntry:
    facts = []
    if best is not None and branch.nats is not None:
        facts.append(why_last(branch) or fit(branch.nats, best))
    if (sure := certainty(branch)) is not None:
        facts.append(f"{percent_to_tenth(sure)} sure on average")
    if branch.parent is not None:
        facts.append(f"from moment {branch.forked_at}")
    if left := branch.calls_left(branch.last):
        facts.append(f"{counted(left, 'call')} to go")
    return BranchEntry(_title(branch), tuple(facts), _text(branch))


def fit(nats: float, best: float) -> str:
    """How well a candidate fits its document beside the best one: both are bounds on minus the log-likelihood."""
    return "fits best" if nats <= best else f"{percent_to_tenth(math.exp(best - nats))} as likely as the best"


def certainty(branch: "Branch") -> float | None:
    """The mean probability of the tokens of a branch when they were written; None if none was."""
    written = [p for confidence in branch.tip.confidence for p in confidence.tolist() if not math.isnan(p)]
    return sum(written) / len(written) if written else None


def _title(branch: "Branch") -> str:
    title = f"candidate {branch.number - branch.job.request.rows.start + 1}"
    edits = [moment.edit for moment in branch.moments if moment.edit]
    return f"{title}: {', '.join(edits[-NUM_EDITS:])}" if edits else title


def _text(branch: "Branch") -> str:
    if branch.job.checkpoint.tokenizer is None:
        return ""
    texts = texts_of(branch) if branch.finished else [MASKS.sub(MASK, text) for text in texts_of(branch)]
    return " … ".join(inert(" ".join(text.split())) for text in texts)
