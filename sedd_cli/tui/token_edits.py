"""Taking hold of tokens: remask, lock, choose. Each gives a scene with a new branch that leaves the one on screen."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sedd_cli.tui.page_layout import Address
from sedd_cli.tui.scene import Scene

if TYPE_CHECKING:
    from torch import Tensor

    from sedd_cli.diffusion.samplers import State

Place = tuple[int, int]
"""Canvas and position of a token."""


def place_of(scene: Scene, address: Address) -> Place | None:
    """The token at an address of the page; None for text."""
    if address[1] >= 0 or scene.moment is None:
        return None
    if scene.run is not None:
        return 0, len(scene.moment.states[0].ids) + address[1]
    for gap, mark in enumerate(scene.draft.masked):
        if mark.start == address[0] and gap not in scene.verdicts:
            canvas, place = scene.canvas_of(gap)
            return canvas, place[address[1]]
    return None


def places_between(scene: Scene, first: Address, last: Address) -> list[Place]:
    """The tokens from one address to another, both included."""
    if scene.moment is None:
        return []
    if scene.run is not None:
        n = len(scene.moment.states[0].ids)
        return [(0, n + i) for i in range(-n, 0) if first <= (0, i) <= last]
    found = []
    for gap, mark in enumerate(scene.draft.masked):
        if gap not in scene.verdicts:
            canvas, place = scene.canvas_of(gap)
            found += [(canvas, p) for k, p in enumerate(place) if first <= (mark.start, k - len(place)) <= last]
    return found


def all_places(scene: Scene) -> list[Place]:
    """Every token that is not decided."""
    return places_between(scene, (0, -(10**9)), (len(scene.draft.text) + 1, 0))


def gap_at(scene: Scene, address: Address) -> int | None:
    """The number of the gap whose tokens stand at an address."""
    if scene.infilling is None:
        return None
    for gap, mark in enumerate(scene.draft.masked):
        if mark.start == address[0] and address[1] < 0:
            return gap
    return None


def locked(scene: Scene, place: Place) -> bool:
    """Whether a token is clamped: locked, chosen by hand, or the user's own."""
    assert scene.moment is not None
    return not bool(scene.moment.states[place[0]].free[place[1]])


def remask(scene: Scene, places: Iterable[Place]) -> Scene:
    """Give tokens back to the process; those that are locked or MASK already stay. The same scene if none is left."""
    assert scene.branch is not None and scene.moment is not None
    mask_id = scene.branch.job.checkpoint.mask_id
    states = scene.moment.states
    loose = [(c, p) for c, p in places if not locked(scene, (c, p)) and int(states[c].ids[p]) != mask_id]

    def edit(state: "State", positions: "Tensor") -> "State":
        assert scene.branch is not None
        return scene.branch.job.sampler_of(state.row).remask(state, positions)

    return _edited(scene, loose, edit, f"remasked {_count(loose)}")


def doubtful(scene: Scene, places: Iterable[Place], confidence: float) -> list[Place]:
    """Those tokens that the network gave less than this probability when it wrote them."""
    assert scene.moment is not None
    return [(c, p) for c, p in places if float(scene.moment.confidence[c][p]) < confidence]


def toggle_lock(scene: Scene, places: Sequence[Place]) -> Scene:
    """Lock tokens, or unlock them if all are; MASK is not locked."""
    assert scene.branch is not None and scene.moment is not None
    mask_id = scene.branch.job.checkpoint.mask_id
    there = [(c, p) for c, p in places if int(scene.moment.states[c].ids[p]) != mask_id]
    loosen = all(locked(scene, place) for place in there)

    def edit(state: "State", positions: "Tensor") -> "State":
        return replace(state, free=state.free.index_fill(0, positions, loosen))

    return _edited(scene, there, edit, f"{'unlocked' if loosen else 'locked'} {_count(there)}")


def choose(scene: Scene, place: Place, token: int) -> Scene:
    """Write a token of the user's choice, and lock it."""
    from torch import tensor

    from sedd_cli.diffusion.branching import write

    assert scene.branch is not None
    tokenizer = scene.branch.job.checkpoint.tokenizer
    name = repr(tokenizer.decode([token])) if tokenizer else str(token)
    return _edited(scene, [place], lambda state, positions: write(state, positions, tensor([token])), f"chose {name}")


def _count(places: Sequence[Place]) -> str:
    return f"{len(places)} token{'s' * (len(places) != 1)}"


def _edited(scene: Scene, places: Sequence[Place], edit: "Callable[[State, Tensor], State]", label: str) -> Scene:
    """The scene with a branch on which these tokens were edited; edits that follow each other are one branch."""
    from torch import tensor

    if not places:
        return scene
    assert scene.branch is not None and scene.moment is not None
    by_canvas: dict[int, list[int]] = defaultdict(list)
    for canvas, position in places:
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
