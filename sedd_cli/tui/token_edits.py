"""Edits of tokens: remask, lock, choose. Each returns a scene with a new branch that forks from the current one."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from sedd_cli.ranges import counted
from sedd_cli.text.vocabulary import Vocabulary
from sedd_cli.tui.page_layout import Address
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.token_choices import TokenChoices
from sedd_cli.tui.token_text import token_label

if TYPE_CHECKING:
    from torch import Tensor

    from sedd_cli.diffusion.samplers import State

TokenPosition = tuple[int, int]
"""Canvas index and position of a token."""


def position_at(scene: Scene, address: Address) -> TokenPosition | None:
    """The token at an address of the page; None for text."""
    if address[1] >= 0 or scene.moment is None:
        return None
    if scene.run is not None:
        return 0, len(scene.moment.states[0].ids) + address[1]
    for gap, mark in enumerate(scene.draft.masked):
        if mark.start == address[0] and gap not in scene.verdicts:
            canvas, places = scene.canvas_of(gap)
            return canvas, places[address[1]]
    return None


def positions_between(scene: Scene, first: Address, last: Address) -> list[TokenPosition]:
    """The tokens from one address to another, both included."""
    if scene.moment is None:
        return []
    if scene.run is not None:
        n = len(scene.moment.states[0].ids)
        return [(0, n + i) for i in range(-n, 0) if first <= (0, i) <= last]
    positions = []
    for gap, mark in enumerate(scene.draft.masked):
        if gap not in scene.verdicts:
            canvas, places = scene.canvas_of(gap)
            positions += [(canvas, p) for k, p in enumerate(places) if first <= (mark.start, k - len(places)) <= last]
    return positions


def all_positions(scene: Scene) -> list[TokenPosition]:
    """All tokens of gaps that are not decided, or of the canvas."""
    return positions_between(scene, (0, -(10**9)), (len(scene.draft.text) + 1, 0))


def locked(scene: Scene, position: TokenPosition) -> bool:
    """Whether a token is clamped: locked, chosen by hand, or the user's own."""
    assert scene.moment is not None
    return not bool(scene.moment.states[position[0]].free[position[1]])


def remask(scene: Scene, positions: Iterable[TokenPosition]) -> Scene:
    """Remask tokens that are neither locked nor MASK. Returns the same scene if there are none."""
    assert scene.branch is not None and scene.moment is not None
    mask_id = scene.branch.job.checkpoint.mask_id
    states = scene.moment.states
    remaskable = [(c, p) for c, p in positions if not locked(scene, (c, p)) and int(states[c].ids[p]) != mask_id]

    def edit(state: "State", positions: "Tensor") -> "State":
        assert scene.branch is not None
        return scene.branch.job.sampler_of(state.row).remask(state, positions)

    return _with_edit(scene, remaskable, edit, f"remasked {_count(remaskable)}")


def below_confidence(scene: Scene, positions: Iterable[TokenPosition], confidence: float) -> list[TokenPosition]:
    """Tokens whose probability when they were written is below `confidence`."""
    assert scene.moment is not None
    return [(c, p) for c, p in positions if float(scene.moment.confidence[c][p]) < confidence]


def toggle_lock(scene: Scene, positions: Sequence[TokenPosition]) -> Scene:
    """Lock tokens, or unlock them if all are locked; MASK is not locked."""
    assert scene.branch is not None and scene.moment is not None
    mask_id = scene.branch.job.checkpoint.mask_id
    tokens = [(c, p) for c, p in positions if int(scene.moment.states[c].ids[p]) != mask_id]
    unlock = all(locked(scene, position) for position in tokens)

    def edit(state: "State", positions: "Tensor") -> "State":
        return replace(state, free=state.free.index_fill(0, positions, unlock))

    return _with_edit(scene, tokens, edit, f"{'unlocked' if unlock else 'locked'} {_count(tokens)}")


def writable_from(scene: Scene, position: TokenPosition) -> list[TokenPosition]:
    """A position, and the free ones right behind it: of its gap in a document, else of its canvas."""
    assert scene.moment is not None
    canvas, first = position
    free = scene.moment.states[canvas].free.tolist()
    if scene.infilling is None:
        end = len(free)
    else:
        places = (places for places in scene.window_of(canvas).gap_positions if first in places)
        end = next(places).stop
    behind = takewhile(free.__getitem__, range(first + 1, end))
    return [(canvas, p) for p in (first, *behind)]


def choose(scene: Scene, position: TokenPosition, tokens: Sequence[int]) -> Scene:
    """Write tokens from a position on, and lock them. There is room for them (`writable_from`)."""
    from torch import tensor

    from sedd_cli.diffusion.branching import write

    assert scene.branch is not None
    canvas, first = position
    tokenizer = scene.branch.job.checkpoint.tokenizer
    name = "".join(token_label(tokenizer, token) for token in tokens)
    return _with_edit(
        scene,
        [(canvas, first + i) for i in range(len(tokens))],
        lambda state, positions: write(state, positions, tensor(tokens)),
        f"chose {name}",
    )


def choices_at(scene: Scene, position: TokenPosition, law: Sequence[float], vocabulary: Vocabulary) -> TokenChoices:
    """What can be written at a position, given the law of the token there."""
    assert scene.branch is not None and scene.moment is not None
    canvas, first = position
    checkpoint = scene.branch.job.checkpoint
    tokenizer, token = checkpoint.tokenizer, int(scene.moment.states[canvas].ids[first])
    shown = max(range(len(law)), key=law.__getitem__) if token == checkpoint.mask_id else token
    return TokenChoices(
        tokenizer,
        vocabulary,
        law,
        None if token == checkpoint.mask_id else token,
        tokenizer is not None and tokenizer.bytes_of(shown).startswith(b" "),
        len(writable_from(scene, position)),
        lambda i: scene.excluded_at(canvas, first + i),
    )


def _count(positions: Sequence[TokenPosition]) -> str:
    return counted(len(positions), "token")


def _with_edit(
    scene: Scene, positions: Sequence[TokenPosition], edit: "Callable[[State, Tensor], State]", label: str
) -> Scene:
    """The scene with a branch on which these tokens are edited; consecutive edits are one branch."""
    from torch import tensor

    if not positions:
        return scene
    assert scene.branch is not None and scene.moment is not None
    by_canvas: dict[int, list[int]] = defaultdict(list)
    for canvas, position in positions:
        by_canvas[canvas].append(position)
    states = {c: edit(scene.moment.states[c], tensor(positions)) for c, positions in by_canvas.items()}
    fork = scene.branch.edited(scene.at, states, label)
    branches = list(scene.branches)
    if scene.moment.edit and scene.at == scene.branch.last and scene.branch.parent is not None:
        fork.parent, fork.forked_at = scene.branch.parent, scene.branch.forked_at
        branches[scene.current] = fork
        current = scene.current
    else:
        branches.append(fork)
        current = len(branches) - 1
    return replace(scene, branches=tuple(branches), current=current, at=fork.last)
