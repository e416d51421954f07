"""The checkpoint of a session: loaded in the background by the engine, switched, downloaded if need be."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sedd_cli.tui import messages
from sedd_cli.tui.downloads import Downloads
from sedd_cli.tui.engine import Engine
from sedd_cli.tui.interface import Interface
from sedd_cli.tui.session import EditingSession
from sedd_cli.tui.start import named_facts

if TYPE_CHECKING:
    from sedd_cli.models.checkpoint import Checkpoint

MOST_COMPARED = 2000
"""Characters of a document that are compared with what a checkpoint was trained on."""


class CheckpointControl:
    """Loads the checkpoint that the settings name; `session.checkpoint` is None until it is there."""

    def __init__(self, session: EditingSession, engine: Engine, ui: Interface) -> None:
        self._session, self._engine, self._ui = session, engine, ui
        self.facts = named_facts(session.settings.model)
        """What is known of it while it loads."""
        self.status = f"loading {self.facts.label}"
        """What is loaded, or "no checkpoint"."""
        self._load_id = 0
        """Of the load that `status` belongs to."""
        self._downloads = Downloads()
        self._shown_progress = ""
        self._compared: set[tuple[Path, Path | None]] = set()
        """Folders of checkpoints, and the files that each was compared with."""

    @property
    def failed(self) -> bool:
        return self.status == "no checkpoint"

    def load(self) -> None:
        settings = self._session.settings
        self.facts = named_facts(settings.model)
        self._session.checkpoint, self.status = None, f"loading {self.facts.label}"
        self._load_id = self._engine.load(settings.model, settings.device)
        self._ui.state_changed()

    def on_loading(self, message: messages.Loading) -> None:
        if message.load_id == self._load_id:
            self.status = message.status
            self.facts = message.facts or self.facts
            self._ui.state_changed()

    def on_loaded(self, message: messages.Loaded) -> None:
        if message.load_id != self._load_id:
            return
        self._session.checkpoint = checkpoint = message.checkpoint
        if checkpoint.tokenizer is None:
            self._ui.notify(
                "This checkpoint has no tokenizer: it generates token ids, and reads no documents.", severity="warning"
            )
        for note in checkpoint.notes:
            self._ui.notify(note)
        self.compare_document()
        self._ui.state_changed()

    def on_load_failed(self, message: messages.LoadFailed) -> None:
        if message.load_id == self._load_id:
            self.status = "no checkpoint"
            self._ui.notify_error(message.error)
            self._ui.state_changed()

    def choose(self) -> None:
        """Ask which checkpoint is to write, and load it; it is the settings' from then on."""
        from sedd_cli.models.catalogue import checkpoints
        from sedd_cli.models.names import DEFAULT_CHECKPOINT
        from sedd_cli.tui.screens.checkpoint_dialog import CheckpointDialog

        loaded = self._session.checkpoint

        def on_choice(name: str | None) -> None:
            settings, model = self._session.settings, None if name == DEFAULT_CHECKPOINT else name
            if name is not None and model != settings.model:
                self._ui.change_settings(replace(settings, model=model))
            elif name is not None and self.failed:
                self.load()

        folder = None if loaded is None else loaded.folder
        self._ui.ask(CheckpointDialog(lambda: checkpoints(Path.cwd()), folder, self._downloads), on_choice)

    @property
    def download_label(self) -> str:
        """The download in the background in short, such as "sedd-small 37%"; "" if there is none."""
        current = self._downloads.current
        if current is None or not current.progress.running:
            return ""
        return f"{current.name.rpartition('/')[2]} {current.progress.percent}%"

    @property
    def download_note(self) -> str:
        """A sentence on the download that quitting would end; "" if nothing is being downloaded."""
        current = self._downloads.current
        if current is None or current.progress.phase not in ("fetching", "checking"):
            return ""
        return f"The download of {current.name} is at {current.progress.percent}%, and would end."

    def tick(self) -> None:
        """Show how far the download in the background is; say when it ends."""
        current = self._downloads.current
        if (label := self.download_label) != self._shown_progress:
            self._shown_progress = label
            self._ui.refresh_header()
        if current is None or self._downloads.watched:
            return
        if current.progress.phase == "done":
            self._downloads.current = None
            self._ui.notify(f"{current.name} is downloaded: {self._ui.key_of('session.checkpoint')} loads it.")
        elif current.progress.error is not None:
            self._downloads.current = None
            self._ui.notify_error(current.progress.error)

    def compare_document(self) -> None:
        """Compare the document with what the checkpoint was trained on, if both are there."""
        checkpoint, text = self._session.checkpoint, self._session.scene.draft.text
        if checkpoint is not None and self._session.document.path is not None and text:
            self.compare(checkpoint, text[:MOST_COMPARED])

    def compare(self, checkpoint: "Checkpoint", text: str) -> None:
        """Have a text compared with what a checkpoint was trained on: `OutOfDistribution` if it is unlike that.

        Once for a checkpoint and a file.
        """
        pair = checkpoint.folder, self._session.path
        if pair not in self._compared:
            self._compared.add(pair)
            self._engine.check_distribution(checkpoint, text)

    def on_out_of_distribution(self, message: messages.OutOfDistribution) -> None:
        checkpoint, key = message.checkpoint, self._ui.key_of("session.checkpoint")
        if checkpoint is self._session.checkpoint:
            self._ui.notify(unlike_message(checkpoint.name, checkpoint.subject, key), severity="warning")

    def close(self, timeout: float) -> None:
        """Stop a download, and wait up to `timeout` seconds for it to delete what is half done."""
        self._downloads.close(timeout)


def unlike_message(name: str, subject: str, key: str) -> str:
    """`subject`: what the checkpoint's texts are, "text" where that is unknown; `key`: switches the checkpoint."""
    trained_on = f"{name} was trained on{f' ({subject})' if subject != 'text' else ''}"
    return f"This text is unlike what {trained_on}: what it writes may not fit. {key} switches the checkpoint."
