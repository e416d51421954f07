"""How a scene is shown: its page, timeline and header."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from sedd_cli.diffusion.names import TOKEN_BY_TOKEN
from sedd_cli.ranges import counted
from sedd_cli.render.labels import network_label, step_label
from sedd_cli.render.palette import GLOW, certainty_step, order_step
from sedd_cli.text.draft import Draft, Mark
from sedd_cli.text.line_ends import newline_of
from sedd_cli.text.repetition import repeats_itself
from sedd_cli.text.words import begins_word
from sedd_cli.tui.gap_numbers import length_label, number_of, numbered, numbered_span, sign_of
from sedd_cli.tui.page_layout import Page, Replacement, Steady, Token
from sedd_cli.tui.progress import share_done, time_left
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.settings import Shading
from sedd_cli.tui.widgets.timeline import TimelineState

if TYPE_CHECKING:
    from sedd_cli.generation.branches import Branch
    from sedd_cli.generation.engine import Step
    from sedd_cli.generation.job import Job
    from sedd_cli.models.checkpoint import Checkpoint
    from sedd_cli.text.tokenizer import Tokenizer

MASK = " ···"
SLACK = 0.15
"""Share of a row that is left free where a canvas is laid out anew: few rows then overflow (benchmarks/motion.py)."""
MAX_MASKS = 1024
"""Maximum number of MASKs shown for a gap that is not being written."""
MOST_LENGTHS = 6
"""Maximum number of gaps whose number of tokens is named."""
ENDING_MASKS = 24
"""Number of MASKs shown before an ending: how many there are is known when a run begins."""
END_OF_TEXT_SIGN = "¶"
PARTIAL_CHARACTER_SIGN = "◌"
"""Stands for bytes of an incomplete character."""


class PageBuilder:
    """Makes pages. `tokenizer`: of the network that would write next; `shading`: what the colour of a token shows."""

    def __init__(self, tokenizer: "Tokenizer | None", shading: Shading) -> None:
        self.tokenizer, self.shading = tokenizer, shading

    def build(self, scene: Scene, width: int, before: Page | None = None) -> Page:
        """The page of a scene; while it is written, its words stand where they do on the page `before`."""
        branch = scene.branch
        settled = branch is None or (scene.at == branch.last and branch.finished)
        steady = None if settled else Steady(before, SLACK if scene.run else 0)
        text, marks = scene.draft.text, scene.draft.marks
        pending = [
            span
            for m in marks
            if not m.masked and m.end > m.start
            for span in numbered_span(text, m, number_of(scene.draft, m), "pending")
        ]
        if scene.run is not None:
            tokens = self._canvas_tokens(scene, 0, None, grow=True)
            return Page(text, [Replacement(0, len(text), tokens)], [], width, steady)
        replacements = [
            Replacement(mark.start, mark.end, self._shown_tokens(scene, gap))
            for gap, mark in enumerate(scene.draft.masked)
        ]
        # A gap at the very end is written first.
        if scene.ending and not any(r.start == len(text) for r in replacements):
            replacements.append(Replacement(len(text), len(text), _ending_tokens(scene.ending)))
        return Page(text, replacements, pending, width, steady)

    def _shown_tokens(self, scene: Scene, gap: int) -> tuple[Token, ...]:
        mark = scene.draft.masked[gap]
        tokens = _without_double_blank(scene.draft.text, mark.start, self._gap_tokens(scene, gap))
        return tokens if gap in scene.verdicts else numbered(tokens, number_of(scene.draft, mark))

    def _gap_tokens(self, scene: Scene, gap: int) -> tuple[Token, ...]:
        if scene.infilling is None:
            mark, masks = scene.draft.masked[gap], min(MAX_MASKS, self._mask_count(scene.draft, gap))
            blank = " " * (mark.start == mark.end and begins_word(scene.draft.text, mark.end))
            # How many there will be is not known of a gap whose lengths are compared.
            label = "" if isinstance(mark.tokens, int | None) else length_label(mark.tokens)
            texts = [MASK] * masks
            texts[0] = f" {label}{MASK.lstrip()}"
            texts[-1] += blank
            return tuple(Token(text, "mask") for text in texts)
        if gap in scene.verdicts:
            return (Token(scene.verdicts[gap], "decided"),)
        canvas, places = scene.canvas_of(gap)
        tokens = self._canvas_tokens(scene, canvas, places, grow=False)
        if places.start in scene.window_of(canvas).canvas.space_positions:
            # Its blank is the one before the gap.
            tokens = (tokens[0]._replace(text=tokens[0].text.removeprefix(" ")), *tokens[1:])
        if scene.infilling.sized_gaps[gap].adds_space and not tokens[-1].text[-1:].isspace():
            tokens = (*tokens[:-1], tokens[-1]._replace(text=f"{tokens[-1].text} "))
        return tokens

    def _mask_count(self, draft: Draft, number: int) -> int:
        """How many MASKs stand for a gap that no run has begun to write."""
        gap = draft.gaps[number]
        if isinstance(gap.tokens, int):
            return gap.tokens
        if isinstance(gap.tokens, tuple):
            return gap.tokens[0]
        size = gap.end - gap.start
        # English has about four characters a token: an estimate without a tokenizer, and for long texts.
        if self.tokenizer is None or size > 4 * MAX_MASKS:
            return max(1, size // 4)
        # Imports torch, which is there once a checkpoint is.
        from sedd_cli.text.windows import original_tokens

        after = draft.gaps[number - 1].end if number else 0
        tokenizer = self.tokenizer.reading(newline_of(draft.text))
        return max(1, original_tokens(tokenizer, draft.text, gap, after))

    def _canvas_tokens(self, scene: Scene, canvas: int, places: range | None, *, grow: bool) -> tuple[Token, ...]:
        """The tokens of a canvas, or those at `places`; `grow`: the text may end before the canvas does."""
        assert scene.moment is not None and scene.branch is not None
        # The checkpoint of the run: another one may have been loaded since.
        checkpoint = scene.branch.job.checkpoint
        moment, mask_id, tokenizer = scene.moment, checkpoint.mask_id, checkpoint.tokenizer
        state, revealed = moment.states[canvas], moment.revealed[canvas].tolist()
        writable = scene.branch.moments[0].states[canvas].free.tolist()
        free, ids = state.free.tolist(), state.ids.tolist()
        # In a document what is written is set off from the rest; a canvas is written all over.
        base = "revealed" if grow else "pending"
        confidence = moment.confidence[canvas].tolist()
        # A finished text is shown at rest.
        settled = scene.at == scene.branch.last and scene.branch.finished
        order = self.shading == "order"
        moments = scene.branch.last + scene.branch.calls_left(scene.branch.last) if order else 0
        end = scene.run.end_of_text_position(state.ids) if grow and scene.run else len(ids)
        positions = places or range(len(ids))
        texts = _token_texts([ids[i] for i in positions], mask_id, tokenizer)
        tokens = []
        for i, text in zip(positions, texts, strict=True):
            if ids[i] == mask_id:
                classes = "mask"
            elif not writable[i]:
                classes = "kept"
            elif not free[i]:
                classes = f"{base} locked"
            elif i > end:
                classes = "past"
            else:
                classes = base + self._shade(confidence[i], revealed[i], moments)
                if revealed[i] >= 0 and not settled and (age := scene.at - revealed[i]) < len(GLOW):
                    classes += f" glow{age}"
            tokens.append(_token(text, classes))
        return tuple(tokens)

    def _shade(self, confidence: float, revealed: int, moments: int) -> str:
        """The class of a token's shade; "" for one that the network did not write."""
        # NaN, where the network wrote nothing, compares as False.
        if self.shading == "certainty" and confidence > 0:
            return f" sure{certainty_step(confidence)}"
        if self.shading == "order" and revealed >= 0:
            return f" order{order_step(revealed, moments)}"
        return ""


_token = lru_cache(maxsize=16_384)(Token)
"""Most tokens of a frame are those of the frame before, and what is new costs garbage collection too."""


def _ending_tokens(ending: str) -> tuple[Token, ...]:
    """An ending that no run has begun to write towards, and MASKs that stand for what is before it."""
    words = re.findall(r"\s*\S+|\s+", " " * begins_word(ending, 0) + ending)
    return (*(Token(MASK, "mask"),) * ENDING_MASKS, *(Token(word, "kept") for word in words))


def _token_texts(ids: list[int], mask_id: int | None, tokenizer: "Tokenizer | None") -> list[str]:
    if tokenizer is None:
        return [MASK if i == mask_id else f" {i}" for i in ids]
    texts = tokenizer.decode_each([None if i == mask_id else i for i in ids])
    for k, (i, text) in enumerate(zip(ids, texts, strict=True)):
        if i == mask_id:
            texts[k] = MASK
        elif i in tokenizer.end_ids:
            texts[k] = END_OF_TEXT_SIGN
        elif not text and (k + 1 == len(ids) or not texts[k + 1] or ids[k + 1] == mask_id):
            texts[k] = PARTIAL_CHARACTER_SIGN
    return texts


def _without_double_blank(text: str, start: int, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """The tokens of a gap; a MASK that follows a blank of the text shows none of its own."""
    if not tokens or not tokens[0].classes.startswith("mask") or (start and not text[start - 1].isspace()):
        return tokens
    return (Token(tokens[0].text.lstrip(), tokens[0].classes), *tokens[1:])


def timeline_state(
    scene: Scene, playing: bool, seconds_per_call: float, speed: str, writing: "Branch | None", comparing: bool
) -> TimelineState:
    """The timeline of a scene.

    `seconds_per_call`: seconds a network call takes, 0 while that is not known; `writing`: the branch that the engine
    advances; `comparing`: whether it computes the candidates' bounds.
    """
    branch = scene.branch
    if branch is None or scene.moment is None:
        finding = playing and any(not isinstance(mark.tokens, int | None) for mark in scene.draft.masked)
        return TimelineState(progress="finding how many tokens fit" if finding else _idle_label(scene.draft))
    at, left = scene.at, branch.calls_left(branch.last)
    exact = branch.job.exact_calls or not left
    made, needed = branch.calls_made(at), branch.calls_made(branch.last) + left
    share = share_done(made, needed, exact) if left or at < branch.last else "done"
    notes = [scene.moment.edit] if scene.moment.edit else []
    if speed:
        notes.append(speed)
    if writing is not None and writing is not branch and writing in scene.branches and not writing.finished:
        notes.append(f"writing {'branch' if scene.run else 'candidate'} {scene.branches.index(writing) + 1}")
    if comparing:
        notes.append("comparing the candidates")
    return TimelineState(
        at,
        branch.last,
        branch.last + left,
        playing,
        share,
        f"{share}, {time_left(left * seconds_per_call, exact)}" if left and seconds_per_call else share,
        tuple(notes),
        _figures(branch, at, needed, exact),
        tuple(moment.masked for moment in branch.moments),
        tuple(moment.entropy for moment in branch.moments),
    )


def _figures(branch: "Branch", at: int, needed: int, exact: bool) -> tuple[str, ...]:
    """Step, time, MASKs, calls and bound at a moment; `needed`: calls of the finished run, at most unless `exact`."""
    moment = branch.moments[at]
    size = sum(int(state.free.sum()) for state in branch.moments[0].states)
    figures = [f"masks {moment.masked}/{size}"]
    figures.append(f"calls {branch.calls_made(at)}/{'' if exact else '≤'}{needed}")
    if moment.step is not None:
        figures = [_step_label(branch, moment.step), f"t {moment.step.t:.2f}", *figures]
    if branch.nats is not None:
        figures.append(f"{branch.nats:.1f} nats")
    return tuple(figures)


def _idle_label(draft: Draft) -> str:
    """What a draft without a run awaits."""
    gaps = len(draft.masked)
    asked = [(mark, length_label(mark.tokens)) for mark in draft.masked if mark.tokens is not None]
    lengths = [f"{sign_of(draft, mark)} {length}".strip() for mark, length in asked[:MOST_LENGTHS]]
    tokens = f" ({', '.join(lengths)}{', …' * (len(asked) > len(lengths))} tokens)" if lengths else ""
    parts = [f"{counted(gaps, 'gap')} to write{tokens}"] if gaps else []
    if full := len(draft.marks) - gaps:
        parts.append(f"{counted(full, 'gap')} to accept")
    return ", ".join(parts) or ("no gap to write" if draft.text else "nothing written yet")


def _step_label(branch: "Branch", step: "Step") -> str:
    request = branch.job.request
    updates = branch.job.sampler_of(step.row).num_updates
    return step_label(step.step, request.steps, request.sampler, updates, wrote=len(step.changed) > 0)


def texts_of(branch: "Branch") -> list[str]:
    """What a branch writes: each gap of a document, or the text of a canvas behind its prompt."""
    from sedd_cli.generation.engine import Run
    from sedd_cli.generation.infill import Infilling

    job, states = branch.job, branch.tip.states
    if isinstance(job, Infilling):
        return [text for state in states for text in job.written(state)]
    if isinstance(job, Run):
        return [job.text_of(states[0].ids).removeprefix(job.canvas.prompt)]
    return []


def writes_again(branch: "Branch") -> bool:
    """Whether a candidate of a document writes again what stood in its gaps."""
    from sedd_cli.generation.infill import Infilling

    job = branch.job
    return isinstance(job, Infilling) and texts_of(branch) == [job.document[g.start : g.end] for g in job.sized_gaps]


def why_last(branch: "Branch") -> str:
    """Why a candidate comes after the others, however likely it is; "" if it does not."""
    if writes_again(branch):
        return "what stood there"
    return "says words twice in a row" if any(map(repeats_itself, texts_of(branch))) else ""


def lengths_note(draft: Draft, job: "Job") -> str:
    """How many tokens the gaps get whose length was compared; "" if none was."""
    from sedd_cli.generation.infill import Infilling

    chosen = job.chosen_lengths if isinstance(job, Infilling) else []
    signs = {mark.start: sign_of(draft, mark) for mark in draft.masked}
    parts = [f"{signs.get(found.gap.start) or 'The gap'} gets {counted(found.tokens, 'token')}" for found in chosen]
    return f"{', '.join(parts)}: what fits the text beside {'it' if len(parts) == 1 else 'them'} best." if parts else ""


def ranking_message(branches: Sequence["Branch"], where: str) -> str:
    """How candidates compare, best first. `where`: where the best is."""
    best, count = branches[0], len(branches)
    texts = [texts_of(branch) for branch in branches] if best.job.checkpoint.tokenizer else []
    if texts and all(text == texts[0] for text in texts):
        as_before = ", which is what stood there" if writes_again(best) else ""
        return f"All {count} candidates write the same{as_before}."
    again = sum(map(writes_again, branches))
    rest = f"; {again} {'writes' if again == 1 else 'write'} again what stood there" if again else ""
    return f"The best of {count} candidates is {where}{rest}."


def unwritten_note(marks: Sequence[Mark]) -> str:
    """A sentence on masks that are not written; "" if there are none. Those of no word are counted as gaps."""
    words = sum(len(mark.original.split()) for mark in marks)
    gaps = sum(not mark.original.split() for mark in marks)
    parts = [counted(words, "masked word")] * bool(words) + [counted(gaps, "gap")] * bool(gaps)
    return f"{' and '.join(parts)} {'was' if words + gaps == 1 else 'were'} not written." if parts else ""


def file_label(session: EditingSession, download: str = "") -> str:
    """The file, whether it has unsaved changes, and the branch that is shown; a download in the background first."""
    scene = session.scene
    branch = f"   branch {scene.current + 1}/{len(scene.branches)}" if scene.branches else ""
    name = session.path.name if session.path else "untitled"
    return f"{f'↓ {download}   ' if download else ''}{name}{' *' if session.unsaved else ''}{branch}"


def title_of(checkpoint: "Checkpoint | None", load_status: str, scene: Scene) -> str:
    """Checkpoint, its form and size; of a branch, what drew it: sampler, what changes the law, seed."""
    waiting = [load_status] if checkpoint is None else []
    if scene.branch is not None:
        checkpoint = scene.branch.job.checkpoint
    if checkpoint is None:
        return f"sedd  {load_status}"
    parts = [checkpoint.name, network_label(checkpoint.parameterization, checkpoint.parameters)]
    if scene.branch is not None:
        from sedd_cli.generation.warnings import changes_of

        request = scene.branch.job.request
        sampler, asked = request.sampler, request.asked
        parts.append(sampler if sampler in TOKEN_BY_TOKEN else f"{sampler} {request.steps}")
        parts += [*changes_of(asked), *[f"strength {asked.strength:g}"] * (asked.strength != 1)]
        parts.append(f"seed {request.seed}")
    parts += waiting
    return "sedd  " + " · ".join(parts)
