"""A run's folder: `config.json`, `model.safetensors` (the averaged weights), `tokenizer.json`, `recipe.json`,
`metrics.jsonl`, `data/` and `state/`; `generation_config.json` if the checkpoint that it starts from has settings.
Whenever a run dies, its files are complete."""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from pydantic import ValidationError
from safetensors.torch import save as save_tensors
from torch import Tensor

from sedd_cli.atomic import write_file
from sedd_cli.errors import NotLoadableError, SeddError, UsageError
from sedd_cli.lock import LOCK_FILE, file_lock
from sedd_cli.models.config import Config
from sedd_cli.models.layout import CONFIG, TOKENIZER, WEIGHTS
from sedd_cli.text.encodings import without_bom
from sedd_cli.text.tokenizer import Tokenizer
from sedd_cli.training.recipe import Recipe, differing_keys, faults_of


class RunFolder:
    """Paths of a run, and how its parts are written and read back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data, self.states = path / "data", path / "state"

    def lock(self, held: ExitStack) -> None:
        """Lock the folder until `held` closes: two runs would overwrite each other's files. Raises `UsageError` if
        another process has locked it, `SeddError` if it cannot be written to."""
        try:
            acquired = held.enter_context(file_lock(self.path / LOCK_FILE))
        except OSError as error:
            raise SeddError(
                f"cannot write to {self.path}: {error.strerror}", "Choose another place with -o."
            ) from error
        if not acquired:
            raise UsageError(f"another process trains in {self.path}", "Stop it first, or wait; or choose another -o.")

    def create(self, held: ExitStack) -> None:
        """Create and lock the folder. Raises `SeddError` if it cannot be made, `UsageError` if a run, a checkpoint
        or anything else is there."""
        if (self.path / "recipe.json").exists():
            raise UsageError(f"there is a run in {self.path} already", "Resume it with --resume, or choose another -o.")
        # A run that was killed before its recipe was saved has states already: nothing is lost with it.
        unsaved_run = (self.path / LOCK_FILE).exists() and self.states.is_dir()
        if not unsaved_run and any((self.path / name).exists() for name in (CONFIG, *WEIGHTS, *TOKENIZER)):
            raise UsageError(
                f"there is a checkpoint in {self.path} already, which the run would overwrite",
                f"Choose another -o; --from {self.path} starts from it.",
            )
        try:
            if not unsaved_run and self.path.is_dir() and any(p.name != LOCK_FILE for p in self.path.iterdir()):
                raise UsageError(f"{self.path} holds other files", "Give the run a folder of its own with -o.")
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock(held)
            self.states.mkdir(exist_ok=True)
            self.data.mkdir(exist_ok=True)
        except OSError as error:
            raise SeddError(f"cannot make {self.path}: {error.strerror}", "Choose another place with -o.") from error

    def save_recipe(self, recipe: Recipe) -> None:
        write_file(self.path / "recipe.json", (recipe.model_dump_json(indent=2) + "\n").encode())

    def load_recipe(self) -> Recipe:
        """The recipe of the run. Raises `NotLoadableError` if there is no run, or its recipe cannot be read."""
        try:
            return Recipe.model_validate_json(without_bom((self.path / "recipe.json").read_bytes()))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotLoadableError(
                f"there is no run to resume in {self.path}", "Start one without --resume."
            ) from error
        except (OSError, ValueError) as error:
            told = "; ".join(faults_of(error)) if isinstance(error, ValidationError) else error
            raise NotLoadableError(
                f"cannot read {self.path / 'recipe.json'}: {told}", "Mend it, or start a new run with another -o."
            ) from error

    def check_resume(self, recipe: Recipe) -> None:
        """Raises `UsageError` with the keys in which `recipe` differs from the run's, where they must not."""
        if keys := differing_keys(self.load_recipe(), recipe):
            raise UsageError(
                f"this run was made by another recipe: {', '.join(keys)}",
                "On --resume a phase's length and decay, where the data are, how a step is computed, save and report "
                f"may change; for other changes start a new run, for example --from {self.path}.",
            )

    def save_tokenizer(self, tokenizer: Tokenizer) -> None:
        write_file(self.path / "tokenizer.json", tokenizer.save())

    def save_generation_config(self, table: Mapping[str, object]) -> None:
        """Write the settings of sampling that are the checkpoint's own."""
        write_file(self.path / "generation_config.json", (json.dumps(table, indent=2) + "\n").encode())

    def load_tokenizer(self) -> Tokenizer:
        """The run's tokenizer. Raises `NotLoadableError` if it is damaged or changes texts."""
        return Tokenizer.from_file(self.path / "tokenizer.json")

    def save_checkpoint(self, config: Config, weights: dict[str, Tensor]) -> None:
        """Write what `-m RUN` loads: weights first, so that a config is never without them."""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        write_file(self.path / "model.safetensors", save_tensors(tensors))
        write_file(self.path / "config.json", (config.model_dump_json(indent=2, exclude_none=True) + "\n").encode())

    def remove_partial(self) -> None:
        """Remove incomplete files of a killed run."""
        for folder in (self.path, self.data):
            for left in folder.glob(".*.part"):
                left.unlink()


class Metrics:
    """`metrics.jsonl`: one object a line, appended; on resume, lines past the state's step are dropped."""

    def __init__(self, path: Path, step: int | None = None) -> None:
        self._path = path
        if step is not None and path.exists():
            lines = [line for line in path.read_bytes().splitlines(keepends=True) if _step_of(line) <= step]
            write_file(path, b"".join(lines))

    def add(self, record: dict[str, object]) -> None:
        try:
            with self._path.open("ab") as file:
                file.write(json.dumps(record).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SeddError(f"cannot write {self._path}: {error.strerror}", "Make room there.") from error


def _step_of(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
