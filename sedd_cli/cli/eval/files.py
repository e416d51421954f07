"""Output files of an evaluation: data (stdout or a file), report, picture."""

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from sedd_cli.atomic import STDOUT, AtomicFile, descriptor_of
from sedd_cli.cli.output import Output, check_outputs
from sedd_cli.cli.terminal import Terminal


class Files:
    """Output files, checked before the work begins and written after it. `inputs`: files that must not be overwritten.

    Raises `SeddError` if a file cannot be written, `UsageError` if two are the same file, if one is an input, or if the
    plot's format is unknown.
    """

    def __init__(
        self,
        stack: ExitStack,
        output: Path | None,
        report: Path | None,
        plot: Path | None,
        inputs: Iterable[str | Path] = (),
    ) -> None:
        figures = {"the figures": STDOUT} if output is None else {"-o": output}
        check_outputs({**figures, "--report": report, "--plot": plot}, inputs)
        self._out = stack.enter_context(Output(output))
        self._page = None if report is None else stack.enter_context(Output(report))
        self._picture: AtomicFile | None = None
        self.picture_beside_report: str | None = None
        """Path of the picture relative to the report; None without a picture."""
        if plot is not None:
            from sedd_cli.evaluation.plots import require_plot

            self._format = require_plot(plot)
            self._picture = AtomicFile(plot)
            stack.callback(self._picture.discard)
            beside = None if report is None or descriptor_of(report) is not None else report.parent
            if descriptor_of(plot) is None:
                self.picture_beside_report = Path(os.path.relpath(plot, beside)).as_posix()

    def save_partial(self, terminal: Terminal) -> None:
        """Prepare for partial results: existing files are left unchanged, and the data goes to stdout."""
        self._out.save_partial(terminal)
        if self._page is not None and self._page.save_partial(terminal):
            self._page = None
        if self._picture is not None and self._picture.replaces:
            terminal.info(f"stopped: {self._picture.path} was left as it is")
            self._picture = self.picture_beside_report = None

    def write(self, data: str, page: Callable[[], str], picture: Callable[[str], bytes]) -> None:
        """Write the data, then the picture (`picture` gets its format) and the report, if requested."""
        self._out.write(data)
        if self._picture is not None:
            self._picture.write(picture(self._format))
            self._picture.commit()
        if self._page is not None:
            self._page.write(page())
