"""The checkpoint of a session: loaded in the background by the engine."""

from sedd_cli.tui import messages
from sedd_cli.tui.engine import Engine
from sedd_cli.tui.interface import Interface
from sedd_cli.tui.session import EditingSession


class CheckpointControl:
    """Loads the checkpoint that the settings name; `session.checkpoint` is None until it is there."""

    def __init__(self, session: EditingSession, engine: Engine, ui: Interface) -> None:
        self._session, self._engine, self._ui = session, engine, ui
        self.status = "loading"
        """The stage of loading, or "no checkpoint"."""
        self._load_id = 0
        """Of the load that `status` belongs to."""

    @property
    def failed(self) -> bool:
        return self.status == "no checkpoint"

    def load(self) -> None:
        settings = self._session.settings
        self._session.checkpoint, self.status = None, "loading"
        self._load_id = self._engine.load(settings.model, settings.device)
        self._ui.refresh_header()

    def on_loading(self, message: messages.Loading) -> None:
        if message.load_id == self._load_id:
            self.status = message.status
            self._ui.refresh_header()

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
        self._ui.state_changed()

    def on_load_failed(self, message: messages.LoadFailed) -> None:
        if message.load_id == self._load_id:
            self.status = "no checkpoint"
            self._ui.notify_error(message.error)
            self._ui.refresh_header()
