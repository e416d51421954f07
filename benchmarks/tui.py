"""How fast is the screen of `sedd tui` while the network runs?

    python benchmarks/tui.py [-m CHECKPOINT] [--frames 200]

A terminal of 200x50 and a canvas of 1,024 tokens that is being written by a real run. Again and again the view jumps
from the first moment (all MASK) to the latest and back, so that every cell of the canvas changes. Frame: from the
request to show a moment until it is painted, in this process without a terminal; and the CPU time that its thread
takes for it, which other work on the machine disturbs less. Key to screen: a second process in a pseudo-terminal, from
the write of a key (`<` and `>`) until the last byte of the frame that it causes.
"""

import argparse
import asyncio
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from sedd_cli.text.document import Document
from sedd_cli.tui.app import SeddApp
from sedd_cli.tui.recent import RecentFiles
from sedd_cli.tui.recovery import RecoveryStore
from sedd_cli.tui.settings import Settings

WIDTH, HEIGHT, LENGTH, STEPS = 200, 50, 1024, 1024
FRAME_END = b"\x1b[?2026l"
"""Ends a frame of Textual; terminals then show all of it at once."""


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def report(name: str, seconds: list[float]) -> None:
    ms = [1000 * s for s in seconds]
    print(
        f"{name:<34} median {percentile(ms, 0.5):5.1f} ms   95% {percentile(ms, 0.95):5.1f} ms   most {max(ms):5.1f} ms"
    )


async def frames(model: str | None, count: int) -> tuple[list[float], list[float]]:
    """Seconds of each of `count` frames during a run, and those of them that the screen's thread works."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(model=model, length=LENGTH, steps=STEPS, seed=0)
        app = SeddApp(
            Document(None, b"", ""),
            settings,
            None,
            RecoveryStore(Path(folder)),
            RecentFiles(Path(folder, "recent.json")),
        )
        async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
            screen = app.main_screen
            while screen.session.checkpoint is None:
                await pilot.pause(0.05)
            await pilot.press("enter")
            while screen.scene.branch is None or screen.scene.branch.last < 40:
                await pilot.pause(0.05)
            await pilot.press("less_than_sign")
            taken, worked = [], []
            for i in range(count):
                painted = asyncio.Event()
                assert screen.runs.active_run_id is not None, "the run ended before the measurement: raise STEPS"
                started, cpu = time.perf_counter(), time.thread_time()
                screen.session.seek(0 if i % 2 else screen.scene.branch.last)
                screen.refresh_view()
                screen.call_after_refresh(painted.set)
                await painted.wait()
                taken.append(time.perf_counter() - started)
                worked.append(time.thread_time() - cpu)
                await asyncio.sleep(0.03)
            return taken, worked


class Terminal:
    """`sedd tui` in a pseudo-terminal."""

    def __init__(self, model: str | None, folder: str) -> None:
        config = Path(folder, "sedd")
        config.mkdir()
        (config / "settings.toml").write_text(f"length = {LENGTH}\nsteps = {STEPS}\nseed = 0\n")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(
                XDG_CONFIG_HOME=folder, XDG_STATE_HOME=folder, TERM="xterm-256color", COLORTERM="truecolor"
            )
            os.execvp(sys.executable, [sys.executable, "-m", "sedd_cli", "tui", *(["-m", model] if model else [])])
        # Yes, this terminal knows frames.
        os.write(self.fd, b"\x1b[?2026;2$y")
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))

    def until(self, wanted: bytes, end_of_frame: bytes = FRAME_END, timeout: float = 60) -> float:
        """Read until the frame that contains some bytes has ended. Returns the time."""
        seen, end = b"", time.perf_counter() + timeout
        while time.perf_counter() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                seen += os.read(self.fd, 1 << 20)
                at = seen.find(wanted)
                if at >= 0 and end_of_frame in seen[at:]:
                    return time.perf_counter()
                seen = seen[-100_000:]
        raise TimeoutError(f"{wanted!r} was not shown; the last bytes were {seen[-300:]!r}")

    def drain(self, seconds: float) -> None:
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                os.read(self.fd, 1 << 20)

    def key(self, key: bytes, wanted: bytes) -> float:
        """Seconds from a key to the frame that contains some bytes."""
        started = time.perf_counter()
        os.write(self.fd, key)
        return self.until(wanted) - started

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def keys(model: str | None, count: int) -> tuple[float, list[float]]:
    """Seconds from the start to the first frame, and from each of `count` keys to its frame."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        terminal = Terminal(model, folder)
        try:
            # The very first frame comes before the terminal's answer about frames.
            first = terminal.until(b"loading", b"") - started
            terminal.until(b"RADD")
            terminal.drain(0.5)
            os.write(terminal.fd, b"\r")
            terminal.until(b"pause")
            # The figures: a moment after the first has a step.
            os.write(terminal.fd, b"=")
            terminal.until(b"step 20/")
            terminal.key(b"<", b" 0%")
            taken = []
            for i in range(count):
                terminal.drain(0.05)
                taken.append(terminal.key(b"<" if i % 2 else b">", b" 0%" if i % 2 else b"step "))
            return first, taken
        finally:
            terminal.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model")
    parser.add_argument("--frames", type=int, default=200)
    args = parser.parse_args()
    first, pressed = keys(args.model, args.frames)
    print(f"{WIDTH}x{HEIGHT}, a canvas of {LENGTH} tokens, all of it changing, while the network runs")
    print(f"first paint {first:.2f} s after the start of the process")
    report("key to screen", pressed)
    taken, worked = asyncio.run(frames(args.model, args.frames))
    report("frame", taken)
    report("frame, CPU time of its thread", worked)


if __name__ == "__main__":
    main()
