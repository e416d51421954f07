"""How much of the text on screen moves while it is written?

    python benchmarks/motion.py [-m CHECKPOINT] [--seeds 3] [--steps 128,256] [--width 80,90]

Words that stand on the screen of `sedd tui` at two moments, one network call apart, move if their row or their column
changes from one to the other. Printed is the share of them that do, the mean over the calls of a run; then the same for
rows alone. "before": each moment laid out by itself, rows as full as they go. "after": each from the page before, as
`sedd tui` shows it. The last moment, at which the text settles, is left out.
"""

import argparse
from collections.abc import Iterator
from statistics import mean

from sedd_cli import Checkpoint, Request, Run, load_checkpoint
from sedd_cli.generation.branches import Branch
from sedd_cli.generation.defaults import with_defaults
from sedd_cli.render.palette import GLOW
from sedd_cli.tui.page_layout import Page, Replacement
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.style import PageBuilder

Motion = tuple[float, float]
"""Shares of the words that change their row or column, and their row."""


def written(checkpoint: Checkpoint, length: int, steps: int, seed: int) -> Branch:
    """A text as `sedd tui` writes it, with all its moments."""
    asked = with_defaults(checkpoint, Request(length=length, steps=steps, seed=seed), []).options
    branch = Branch.begin(Run(checkpoint, asked), 0)
    for step in branch.resume():
        branch.add(step)
    return branch


def places(page: Page, scene: Scene) -> dict[tuple[int, int], tuple[int, int]]:
    """Row and column of each word that is written, by its position and token."""
    assert scene.moment is not None and scene.branch is not None
    ids, mask_id = scene.moment.states[0].ids.tolist(), scene.branch.job.checkpoint.mask_id
    found = {}
    for position, token in enumerate(ids):
        address = (0, position - len(ids))
        if token != mask_id and any(c.isalnum() for c in page.text_between(address, address)):
            found[position, token] = page.locate_word(address)
    return found


def moving(pages: Iterator[tuple[Page, Scene]]) -> Motion:
    """The mean motion from each page to the next."""
    shares = []
    before: dict[tuple[int, int], tuple[int, int]] = {}
    for page, scene in pages:
        now = places(page, scene)
        if both := now.keys() & before.keys():
            moved = sum(now[word] != before[word] for word in both)
            rows = sum(now[word][0] != before[word][0] for word in both)
            shares.append((moved / len(both), rows / len(both)))
        before = now
    return mean(share for share, _ in shares), mean(share for _, share in shares)


def each_by_itself(branch: Branch, builder: PageBuilder, width: int) -> Iterator[tuple[Page, Scene]]:
    for at in range(branch.last):
        scene = Scene(branches=(branch,), at=at)
        tokens = builder._canvas_tokens(scene, 0, None, grow=True)
        yield Page("", [Replacement(0, 0, tokens)], [], width + 1), scene


def from_the_page_before(branch: Branch, builder: PageBuilder, width: int) -> Iterator[tuple[Page, Scene]]:
    page: Page | None = None
    for at in range(branch.last):
        scene = Scene(branches=(branch,), at=at)
        page = builder.build(scene, width + 1, page)
        yield page, scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", default="128,256")
    parser.add_argument("--width", default="80,90")
    args = parser.parse_args()
    checkpoint = load_checkpoint(args.model, "cpu")
    builder = PageBuilder(checkpoint.tokenizer, "plain")
    widths = [int(width) for width in args.width.split(",")]
    print(f"a new word glows for {len(GLOW)} calls")
    print("share of the words on screen that move a call: row or column (row alone)")
    print(f"{'tokens':>6} {'steps':>5} {'width':>5}   {'before':>15}   {'after':>15}")
    for steps in map(int, args.steps.split(",")):
        branches = [written(checkpoint, args.length, steps, seed) for seed in range(args.seeds)]
        for width in widths:
            shown = [f"{args.length:>6} {steps:>5} {width:>5}"]
            for pages in (each_by_itself, from_the_page_before):
                moved, rows = zip(*(moving(pages(branch, builder, width)) for branch in branches), strict=True)
                shown.append(f"{mean(moved):>7.1%} ({mean(rows):.1%})")
            print("   ".join(f"{part:>15}" for part in shown), flush=True)


if __name__ == "__main__":
    main()
