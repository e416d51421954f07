"""A plugin of llm (llm.datasette.io): `llm -m sedd "Once upon a time" -o steps 64`.

Imported by llm alone, whenever it starts: torch is imported when a prompt runs.
"""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Optional

import llm
from pydantic import Field, create_model

from sedd_cli.cli.completion import model_names
from sedd_cli.errors import SeddError, UsageError
from sedd_cli.generation.options import TABLE, Entry, SamplingOptions

if TYPE_CHECKING:
    from sedd_cli.generation.engine import Run
    from sedd_cli.models.checkpoint import Checkpoint

NOT_TAKEN = ("num_samples", "row", "batch_size")
"""Options of `sedd generate` that have no meaning here: a prompt has one text."""


@llm.hookimpl
def register_models(register: Callable[..., None]) -> None:
    """`sedd`, the default checkpoint, and `sedd/NAME` of every one that is built in or in the hub's cache."""
    register(SeddModel("sedd", os.environ.get("SEDD_MODEL") or None))
    for name in model_names():
        register(SeddModel(f"sedd/{name}", name))


def _field(entry: Entry) -> tuple[Any, Any]:
    # None where it is not given, as llm hands on defaults like what a person gave.
    option = entry.option
    default = f" Default: {entry.default}." if entry.default is not None else ""
    bounds = {} if option.range is None else option.range.bounds
    return Optional[entry.type], Field(None, description=f"{option.help}{default}", **bounds)  # noqa: UP045


SAMPLING: dict[str, Any] = {
    name: _field(entry)
    for name, entry in TABLE.items()
    if "generate" in entry.option.commands and name not in NOT_TAKEN
}


class OwnOptions(llm.Options):
    """Those that are not of the table."""

    exact: bool | None = Field(None, description="Leave out the checkpoint's own settings.")
    chat: bool | None = Field(None, description="The prompt is a message: answer it by the checkpoint's template.")
    device: str | None = Field(None, description="auto, cpu, cuda, cuda:N or mps.")
    dtype: str | None = Field(None, description="auto, float32, bfloat16, int8 (CPU) or float16 (CUDA, MPS).")


class SeddModel(llm.Model):
    """A checkpoint, loaded when its first prompt runs. The response is what is written after the prompt.

    In a conversation the text goes on: the prompts and responses before are what it begins with.
    """

    can_stream = False
    Options = create_model("Options", __base__=OwnOptions, **SAMPLING)

    def __init__(self, model_id: str, checkpoint: str | None) -> None:
        self.model_id, self._checkpoint = model_id, checkpoint

    def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.Response, conversation: llm.Conversation | None
    ) -> Iterator[str]:
        """Yields the text once it is written. The seed and all settings are in llm's log, as the response's JSON.

        Raises `llm.ModelError`.
        """
        given = {name: value for name, value in prompt.options if value is not None}
        device = given.pop("device", None) or os.environ.get("SEDD_DEVICE") or "auto"
        try:
            checkpoint = _load(self._checkpoint, device, given.pop("dtype", "auto"))
            run = _run(checkpoint, [(message.role, _text(message)) for message in prompt.messages], given)
            for _ in run.steps():
                pass
            (sample,) = run.samples()
        except SeddError as error:
            raise llm.ModelError(str(error)) from error
        text = sample.text.removeprefix(run.canvas.prompt)
        response.response_json = {
            "checkpoint": checkpoint.name,
            "settings": {**run.request.settings(), "seed": sample.seed, "length": len(sample.ids)},
            "nfe": sample.nfe,
        }
        assert checkpoint.tokenizer is not None
        response.set_usage(input=int((~run.canvas.free).sum()), output=len(checkpoint.tokenizer.encode(text)))
        yield text


@lru_cache(maxsize=1)
def _load(name: str | None, device: str, dtype: str) -> "Checkpoint":
    from sedd_cli.models.checkpoint import load_checkpoint
    from sedd_cli.text.tokenizer import require_tokenizer

    checkpoint = load_checkpoint(name, device, dtype)
    require_tokenizer(checkpoint.tokenizer, "it writes no text")
    return checkpoint


def _run(checkpoint: "Checkpoint", messages: list[tuple[str, str]], given: dict[str, Any]) -> "Run":
    """The run of a text that goes on, or with `chat` of the reply to a message."""
    from sedd_cli.generation.chat import chat_canvas
    from sedd_cli.generation.defaults import with_defaults
    from sedd_cli.generation.engine import Run

    exact, chat = given.pop("exact", False), given.pop("chat", False)
    system = next((text for role, text in messages if role == "system"), None)
    turns = [(role, text) for role, text in messages if role != "system"]
    if chat and len(turns) != 1:
        raise UsageError("a dialogue of several messages is not supported", "Begin a new one, without -c.")
    if system is not None and not chat:
        raise UsageError("--system is for a dialogue", "Add -o chat 1, with a checkpoint that has a chat template.")
    text = None if chat else _continued(turns)
    options = SamplingOptions(**given, prompt=text)
    request = with_defaults(checkpoint, options, TABLE.keys() if exact else given.keys()).options
    return Run(checkpoint, request, chat_canvas(checkpoint, turns[0][1], system, options.length) if chat else None)


def _text(message: Any) -> str:
    return "".join(getattr(part, "text", "") for part in message.parts)


def _continued(turns: list[tuple[str, str]]) -> str:
    """Prompts and responses as one text. A new prompt has a blank before it where there is none."""
    text = ""
    for role, turn in turns:
        runs_on = role == "user" and text and not text[-1].isspace() and not turn[:1].isspace()
        text += f" {turn}" if runs_on else turn
    return text
