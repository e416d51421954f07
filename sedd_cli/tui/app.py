"""The interactive session (`sedd tui`)."""

import atexit
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.screen import Screen

from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.text.document import Document, read_file
from sedd_cli.text.draft import Draft
from sedd_cli.tui.engine import LoadCheckpoint
from sedd_cli.tui.folders import NO_HOME
from sedd_cli.tui.interface import reporting_errors
from sedd_cli.tui.main_screen import MainScreen
from sedd_cli.tui.recent import RecentFiles
from sedd_cli.tui.recovery import RecoveryStore, recovery_folder
from sedd_cli.tui.scene import Scene
from sedd_cli.tui.settings import Settings, read_settings, settings_path, validation_error, write_settings


class SeddApp(App[None]):
    """Opens the main screen on a document.

    `settings_file`: where settings are saved (None: nowhere); `store`, `recent`: where unsaved work and the list of
    recent files are saved (None: the user's folder); `overrides`: settings for this session alone; `load`: loads
    checkpoints (None: `load_and_freeze`).
    """

    CSS_PATH = "sedd.tcss"
    TITLE = "sedd"
    COMMAND_PALETTE_BINDING: ClassVar[str] = "ctrl+p"

    def __init__(
        self,
        document: Document,
        settings: Settings,
        settings_file: Path | None = None,
        store: RecoveryStore | None = None,
        recent: RecentFiles | None = None,
        overrides: Mapping[str, Any] | None = None,
        debug: bool = False,
        load: LoadCheckpoint | None = None,
    ) -> None:
        super().__init__()
        self._tracebacks = debug
        self.fatal_error: SeddError | None = None
        self._file_settings = settings
        """The settings that this session last read from the file or wrote to it."""
        self._overrides = overrides or {}
        self.settings = replace(settings, **self._overrides)
        self.settings_file = settings_file
        self._theme_faults = self._register_themes()
        self.main_screen = MainScreen(document, self.settings, store or RecoveryStore(), recent or RecentFiles(), load)

    def on_mount(self) -> None:
        self.set_keymap(self.settings.keys)
        faults = self._theme_faults
        if self.settings.theme in self.available_themes:
            self.theme = self.settings.theme
        else:
            faults.append(f"There is no theme {self.settings.theme}: the settings name it.")
        self.push_screen(self.main_screen)
        for fault in faults:
            self.main_screen.notify(fault, severity="warning")
        self.theme_changed_signal.subscribe(self, lambda theme: self._theme_chosen(theme.name))

    def apply_settings(self, settings: Settings) -> None:
        """Apply settings, and save them for the next session."""
        before, self.settings = self.settings, settings
        # An unchanged one may be that of before a theme was chosen: `_theme_chosen` is called some messages later.
        if settings.theme != before.theme and settings.theme in self.available_themes:
            self.theme = settings.theme
        self.main_screen.use_settings(settings)
        if self.settings_file is not None:
            file = self.settings_file
            # Settings given on the command line are for this session alone.
            passing = {
                n: getattr(self._file_settings, n) for n, v in self._overrides.items() if getattr(settings, n) == v
            }
            lasting = replace(settings, **passing)
            if reporting_errors(self.main_screen, lambda: write_settings(file, lasting, self._file_settings)):
                self._file_settings = lasting

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        if screen is self.main_screen:
            yield from self.main_screen.system_commands()
        yield from (c for c in super().get_system_commands(screen) if c.title not in ("Quit", "Keys", "Screenshot"))

    async def action_quit(self) -> None:
        """Quit, asking first if something is unsaved. Textual binds ctrl+q to it on every screen."""
        self.main_screen.files.leave()

    def action_help_quit(self) -> None:
        """Stop the run and name the key that quits. Textual binds ctrl+c to it."""
        stopped = not self.main_screen.runs.idle
        if stopped:
            self.main_screen.runs.stop()
        self.main_screen.notify(f"{'Stopped. ' if stopped else ''}{self.main_screen.key_of('session.quit')} quits.")

    def _handle_exception(self, error: Exception) -> None:
        """An unexpected error: save unsaved work for recovery, and restore the terminal."""
        self.main_screen.autosave.save_for_next()
        if self._tracebacks or self.is_headless:
            super()._handle_exception(error)
        else:
            self.exit(return_code=1)
            self.fatal_error = SeddError(
                f"{type(error).__name__}: {error}",
                "This should not happen; unsaved work is offered at the next start. sedd --debug tui shows where.",
            )

    def _register_themes(self) -> list[str]:
        """Offer the user's themes beside Textual's. Returns what is wrong with those that cannot be used."""
        folder = None if self.settings_file is None else self.settings_file.parent / "themes"
        if folder is None or not folder.is_dir():
            return []
        from sedd_cli.tui.themes import read_themes

        themes, faults = read_themes(folder)
        for theme in themes:
            self.register_theme(theme)
        return faults

    def _theme_chosen(self, name: str) -> None:
        if name == self.theme != self.settings.theme:
            self.apply_settings(replace(self.settings, theme=name))


def user_settings(warn: Callable[[str], None]) -> tuple[Path | None, Settings]:
    """The file of the settings, None if there is nowhere to save them, and what they are."""
    file = settings_path()
    if file is None:
        lost = "settings are" if recovery_folder() else "settings and unsaved work are"
        warn(f"{NO_HOME}: {lost} not kept")
        return None, Settings()
    try:
        return file, read_settings(file)
    except NotLoadableError as error:
        warn(f"{error.message}; the settings are the defaults, and are not saved")
        return None, Settings()


def run(
    path: Path | None,
    prompt: str | None,
    overrides: Mapping[str, object],
    warn: Callable[[str], None],
    debug: bool = False,
) -> int:
    """Open the session in this terminal. Returns the exit code when the user quits.

    A path that does not exist names a new text; `prompt` begins one. `overrides`: settings for this session alone, None
    for those of the file. `warn` is called, before the session opens, if settings are neither read nor saved. Raises
    `SeddError` for a document that cannot be read or settings that are invalid.
    """
    there = path is not None and os.path.lexists(path)
    document = read_file(path) if path is not None and there else Document(None, b"", "")
    file, settings = user_settings(warn)
    app = SeddApp(document, settings, file, overrides=_checked(overrides), debug=debug)
    theme = app.settings.theme
    if "theme" in overrides and theme not in app.available_themes:
        raise _unknown_theme(theme, app.available_themes)
    app.main_screen.session.new_path = path
    if path is not None and there:
        app.main_screen.recent.add(path)
    if prompt:
        app.main_screen.session.apply(Scene(Draft(prompt)))
    app.run()
    if app.main_screen.engine.alive:
        # A long network call is in progress: nothing is lost with it, and the interpreter would wait for its thread.
        # At exit, so that errors are reported before.
        atexit.register(_end, app.return_code or 0)
    if app.fatal_error is not None:
        raise app.fatal_error
    return app.return_code or 0


def _checked(overrides: Mapping[str, object]) -> dict[str, object]:
    """Those that are given. Raises `UsageError` for one that is no value of its setting."""
    given = {name: value for name, value in overrides.items() if value is not None}
    for name, value in given.items():
        # The device is looked for when the checkpoint is loaded.
        if name not in ("model", "device") and (fault := validation_error(name, value)):
            raise UsageError(f"--{name} {fault}, not {value!r}")
    return given


def _unknown_theme(theme: str, known: Iterable[str]) -> UsageError:
    names = sorted(known)
    close = get_close_matches(theme, names, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return UsageError(f"there is no theme {theme!r}", f"{hint}The themes are {', '.join(names)}.")


def _end(code: int) -> None:
    """End the process without waiting for its other threads."""
    # The terminal may be closed.
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)
