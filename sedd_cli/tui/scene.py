"""The state on screen as immutable values: a draft, its branches, and the verdicts on its gaps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from sedd_cli.text.draft import Draft, Mark, merge_adjacent
from sedd_cli.tui.page_layout import Address

if TYPE_CHECKING:
    from torch import Tensor

    from sedd_cli.generation.branches import Branch, Moment
    from sedd_cli.generation.engine import Run
    from sedd_cli.generation.infill import Infilling
    from sedd_cli.text.windows import Window

AUTO_MARKER = "[[...]]"
"""Marks a gap of unknown length in a text that is saved."""


@dataclass(frozen=True)
class Scene:
    """A draft and its branches. Immutable except for the branches, which grow.

    `branches` write the draft's masked marks (an `Infilling`), or a canvas that begins with its text (a `Run`).
    `verdicts`: the texts of gaps that are accepted or rejected, by index. `ending`: what a canvas that begins with the
    draft's text ends with.
    """

    draft: Draft = field(default_factory=Draft)
    branches: tuple["Branch", ...] = ()
    current: int = 0
    at: int = 0
    verdicts: Mapping[int, str] = field(default_factory=dict)
    ending: str = ""

    @property
    def branch(self) -> "Branch | None":
        return self.branches[self.current] if self.branches else None

    @property
    def moment(self) -> "Moment | None":
        return None if self.branch is None else self.branch.moments[self.at]

    @property
    def run(self) -> "Run | None":
        """The job if it generates a canvas, else None."""
        if self.branch is None:
            return None
        from sedd_cli.generation.engine import Run

        return self.branch.job if isinstance(self.branch.job, Run) else None

    @property
    def infilling(self) -> "Infilling | None":
        """The job if it fills the gaps of the draft, else None."""
        if self.branch is None:
            return None
        from sedd_cli.generation.infill import Infilling

        return self.branch.job if isinstance(self.branch.job, Infilling) else None

    def excluded_at(self, canvas: int, position: int) -> frozenset[int]:
        if self.run is not None:
            return self.run.canvas.excluded_at(position)
        return self.window_of(canvas).canvas.excluded_at(position)

    def window_of(self, canvas: int) -> "Window":
        """The window of a canvas of the document; its gaps have the lengths of this candidate."""
        assert self.infilling is not None and self.moment is not None
        return self.infilling.window_of(self.moment.states[canvas].row)

    def canvas_of(self, gap: int) -> tuple[int, range]:
        """The canvas that contains a gap, and the gap's positions on it."""
        assert self.moment is not None
        for number in range(len(self.moment.states)):
            window = self.window_of(number)
            if window.first <= gap < window.first + len(window.gap_positions):
                return number, window.gap_positions[gap - window.first]
        raise IndexError(gap)

    def ids_of(self, gap: int) -> "Tensor":
        assert self.moment is not None
        canvas, places = self.canvas_of(gap)
        return self.moment.states[canvas].ids[places.start : places.stop]

    def filled(self, gap: int) -> bool:
        """Whether no MASK is left in a gap."""
        assert self.infilling is not None
        return self.infilling.checkpoint.mask_id not in self.ids_of(gap).tolist()

    def written(self, gap: int) -> str:
        assert self.infilling is not None and self.moment is not None
        canvas, _ = self.canvas_of(gap)
        first = self.window_of(canvas).first
        return self.infilling.written(self.moment.states[canvas])[gap - first]

    @property
    def text(self) -> str:
        """The document as it would be saved: gaps that are not full keep their original text.

        Between a text and an ending that no run has begun to write towards stands the marker of a gap.
        """
        if self.run is not None:
            assert self.moment is not None
            return self.run.text_of(self.moment.states[0].ids)
        text = self.flattened.draft.text
        return f"{text}{AUTO_MARKER}{self.ending}" if self.ending else text

    @property
    def ends_early(self) -> bool:
        """Whether the canvas shows another text behind the end of this one: `text` has none of it."""
        if self.run is None or self.moment is None:
            return False
        ids = self.moment.states[0].ids
        return self.run.end_of_text_position(ids) < len(ids) - 1

    @property
    def as_document(self) -> Draft:
        """The draft of the flattened scene, an ending that no run has begun to write towards behind a gap."""
        draft = self.flattened.draft
        if not self.ending or self.run is not None:
            return draft
        gap = Mark(len(draft.text), len(draft.text), "", "auto")
        return Draft(draft.text + self.ending, merge_adjacent([*draft.marks, gap]))

    @property
    def without_run(self) -> "Scene":
        """What the branches of a canvas were written from."""
        return Scene(self.draft, ending=self.ending)

    @property
    def flattened(self) -> "Scene":
        """The scene without branches: decided gaps are text, full ones await a verdict, others stay masked."""
        if self.branch is None:
            return self
        if self.run is not None:
            return Scene(self._as_draft())
        return Scene(self._filled(self.verdicts)[0], ending=self.ending)

    def reopened(self, mark: Mark) -> tuple[Draft, Mark]:
        """The draft of the flattened scene, but with no verdict on one of the marks; and where that mark is on it."""
        if self.branch is None:
            return self.draft, mark
        verdicts = {i: text for i, text in self.verdicts.items() if self.draft.masked[i] != mark}
        draft, marks = self._filled(verdicts)
        return draft, marks[self.draft.marks.index(mark)]

    def _filled(self, verdicts: Mapping[int, str]) -> tuple[Draft, tuple[Mark, ...]]:
        """The draft with what the branch has written, decided gaps as text; and where each of its marks is on it."""
        gaps = self.draft.masked
        full = {i for i in range(len(gaps)) if i in verdicts or self.filled(i)}
        filled = self.draft.fill({gaps[i]: verdicts[i] if i in verdicts else self.written(i) for i in full})
        # Filling moves marks, but keeps their order.
        marks = filled.marks
        moved = [new for new, old in zip(marks, self.draft.marks, strict=True) if old.masked]
        for i in verdicts:
            filled = filled.accept(moved[i])
        return filled, marks

    def flatten_at(self, address: Address) -> tuple["Scene", int]:
        """The flattened scene, and the offset in its text of an address on this scene's page."""
        flattened, offset = self.flattened, address[0]
        if self.infilling is None:
            return flattened, min(offset, len(flattened.draft.text))
        shift = 0
        for gap, mark in enumerate(self.draft.masked):
            if (mark.end, 0) <= address and (gap in self.verdicts or self.filled(gap)):
                new = self.verdicts[gap] if gap in self.verdicts else self.written(gap)
                shift += len(new) - (mark.end - mark.start)
        return flattened, offset + shift

    def _as_draft(self) -> Draft:
        """A canvas as a document: each run of MASK becomes a gap of as many tokens."""
        assert self.run is not None and self.moment is not None
        run, ids = self.run, self.moment.states[0].ids
        tokenizer, mask_id = run.checkpoint.tokenizer, run.checkpoint.mask_id
        if tokenizer is None or mask_id not in ids.tolist():
            return Draft(run.text_of(ids))
        text = (token for token in ids[: run.end_of_text_position(ids)].tolist() if token not in tokenizer.end_ids)
        pieces: list[int] = []
        # By offset: part of a character between two runs of MASK has no text, so the runs become one gap.
        gaps: dict[int, int] = {}
        for masked, tokens in groupby(text, lambda token: token == mask_id):
            if masked:
                at = len(tokenizer.decode(pieces))
                gaps[at] = gaps.get(at, 0) + len(list(tokens))
            else:
                pieces += tokens
        return Draft(tokenizer.decode(pieces), tuple(Mark(at, at, "", masks) for at, masks in gaps.items()))
