"""Draw the README's picture: the live view halfway through a real run. `python docs/pictures.py`"""

import io
import re
from pathlib import Path

from rich.console import Console

from sedd_cli import Request, Run, load_checkpoint
from sedd_cli.cli.watch import frame_of, title_of
from sedd_cli.render.live import LiveView

PROMPT, SEED, HALFWAY = "Once upon a time", 0, 0.55


def main() -> None:
    run = Run(load_checkpoint(), Request(prompt=PROMPT, seed=SEED))
    view = LiveView(title_of(run), needed := run.calls_needed(), run.exact_calls)
    for calls, step in enumerate(run.steps(), start=1):
        view.show(frame_of(run, step, calls))
        if calls >= HALFWAY * needed:
            break
    console = Console(
        record=True, width=88, height=22, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(view, end="")
    svg = console.export_svg(title=f'sedd generate "{PROMPT}" --seed {SEED}')
    # Rich's export refers to fonts elsewhere; a page that shows the picture should fetch nothing.
    svg = re.sub(r"@font-face\s*{.*?}\s*", "", svg, flags=re.DOTALL)
    Path(__file__).with_name("live.svg").write_text(svg)


if __name__ == "__main__":
    main()
