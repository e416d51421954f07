"""The canvas of a dialogue: a checkpoint's chat template around a message, and room for the reply."""

import torch

from sedd_cli.errors import UsageError
from sedd_cli.generation.request import room_for
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.formats.facts import Facts
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.chat import render
from sedd_cli.text.tokenizer import Tokenizer, require_tokenizer

PLACEHOLDERS = "\ue0f0{}\ue0f1"
"""In the place of a person's words while the template is rendered: characters for private use."""


def chat_canvas(checkpoint: Checkpoint, message: str, system: str | None = None, length: int | None = None) -> Canvas:
    """Return a canvas of `length` tokens (None: the dialogue and room for new ones) on which a reply is to be written.

    The template's special tokens are tokens; those that a person types are text. Raises `UsageError` for a checkpoint
    without a chat template and for a message that leaves no room, `NotLoadableError` for a template that fails.
    """
    tokenizer = require_tokenizer(checkpoint.tokenizer, "it holds no dialogues")
    facts = Facts(checkpoint.folder)
    template = facts.chat_template
    if template is None:
        raise UsageError(f"{checkpoint.name} has no chat template", "Leave out --chat: its prompt is a plain text.")
    words = [("system", system)] if system is not None else []
    messages = [{"role": role, "content": text} for role, text in [*words, ("user", message)] if text is not None]
    ids = _encode(tokenizer, template, messages, facts.special_tokens)
    length = length or room_for(len(ids), checkpoint.length)
    if len(ids) >= length:
        raise UsageError(f"a dialogue of {len(ids)} tokens leaves no room on a canvas of {length}", "Raise --length.")
    canvas = torch.tensor([*ids, *[0] * (length - len(ids))], device="cpu")
    free = torch.arange(length, device="cpu") >= len(ids)
    forbidden = tuple(i for i in tokenizer.special_ids if i not in tokenizer.end_ids)
    return Canvas(canvas, free, forbidden=forbidden)


def _encode(
    tokenizer: Tokenizer, template: str, messages: list[dict[str, str]], special_tokens: dict[str, str]
) -> list[int]:
    if not any(tokenizer.has_special(message["content"]) for message in messages):
        return tokenizer.encode_special(render(template, messages, special_tokens))
    held = {PLACEHOLDERS.format(number): message["content"] for number, message in enumerate(messages)}
    hollow = [{**message, "content": key} for message, key in zip(messages, held, strict=True)]
    rest, ids = render(template, hollow, special_tokens), []
    for key, content in held.items():
        before, _, rest = rest.partition(key)
        ids += [*tokenizer.encode_special(before), *tokenizer.encode(content)]
    return [*ids, *tokenizer.encode_special(rest)]
