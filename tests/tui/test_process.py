"""The session as a process of its own, in a terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sedd_cli.cli.session import plain_session
from sedd_cli.errors import UsageError
from sedd_cli.tui.app import run
from tests.conftest import Sedd

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

BUSY = """if True:
    import sys, time
    from sedd_cli.cli.main import main
    from sedd_cli.tui import main_screen

    def busy(self):
        # As long as the longest of network calls.
        self.engine._tasks.put(lambda: time.sleep(600))
        {then}

    main_screen.MainScreen.show_help = busy
    # So long it waits for the call in vain.
    main_screen.EXIT_TIMEOUT = 0.1
    sys.argv = ["sedd", "tui"]
    main()
"""


@pytest.mark.parametrize(
    ("then", "code", "told"),
    [
        pytest.param("raise RuntimeError('spoilt')", 1, "error: RuntimeError: spoilt", id="fault"),
        pytest.param("self.files.leave()", 0, "", id="leave", marks=pytest.mark.slow),
    ],
)
def test_a_session_ends_during_a_network_call_and_says_why(tmp_path: Path, then: str, code: int, told: str) -> None:
    ours, theirs = os.openpty()
    places = {name: str(tmp_path) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    environment = {**os.environ, **places, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24"}
    command = [sys.executable, "-c", BUSY.format(then=then)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown, pressed = b"", False
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
            if not pressed and b"RADD" in shown:
                # It is loaded: nothing else is in the engine's way.
                os.write(ours, b"?")
                pressed = True
        assert process.wait(timeout=60) == code
    os.close(ours)
    left = shown.decode(errors="replace").rpartition("\x1b[?1049l")[2]
    assert told in left and ("This should not happen" in left) == bool(told) and "Traceback" not in left


def test_no_session_on_a_dumb_terminal(sedd: Sedd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    refused = sedd("tui")
    assert refused.code == 2 and "TERM=dumb" in refused.stderr and "sedd infill" in refused.stderr
    monkeypatch.delenv("TERM")
    assert "needs a terminal" in sedd("tui").stderr


def test_a_beginning_and_a_document_exclude_each_other(sedd: Sedd, tmp_path: Path) -> None:
    refused = sedd("tui", "--prompt", "Once", str(tmp_path / "a.txt"))
    assert refused.code == 2 and "--prompt begins a new text" in refused.stderr and "i edits" in refused.stderr


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"theme": "nordd"}, "there is no theme 'nordd'\nDid you mean nord? The themes are "),
        ({"steps": 0}, "--steps must be a whole number, 1 or more, not 0"),
        ({"seed": -1}, "--seed must be a whole number, 0 or more, not -1"),
    ],
)
def test_what_no_setting_takes_is_refused_before_the_session_opens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, overrides: dict[str, object], told: str
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(UsageError) as error:
        run(None, None, overrides, lambda warning: None)
    assert str(error.value).startswith(told)


def test_a_session_without_options_needs_no_parser_and_hears_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEDD_MODEL", "tiny")
    monkeypatch.setenv("SEDD_DEVICE", "")
    values = {"model": "tiny", "device": None}
    assert plain_session(["tui"]) == {"file": None, "overrides": values}
    assert plain_session(["tui", "a.txt"]) == {"file": Path("a.txt"), "overrides": values}
    others = (["tui", "--steps", "8"], ["tui", "-h"], ["tui", "a", "b"], ["generate"], ["--debug", "tui"], [])
    assert not any(plain_session(arguments) for arguments in others)
