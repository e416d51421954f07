"""The canvas of a dialogue: a checkpoint's chat template around a message, and room for the reply."""

import re
from contextlib import suppress

import torch

from sedd_cli.errors import SeddError, UsageError
from sedd_cli.generation.request import room_for
from sedd_cli.models.checkpoint import Checkpoint
from sedd_cli.models.formats.facts import Facts
from sedd_cli.text.canvas import Canvas
from sedd_cli.text.chat import render
from sedd_cli.text.tokenizer import Tokenizer, require_tokenizer

PLACE = "\ue0f0{}\ue0f1"
"""In the place of a person's words while the template is rendered: characters for private use."""
PLACES = re.compile("\ue0f0([0-9]+)\ue0f1")


def chat_canvas(checkpoint: Checkpoint, message: str, system: str | None = None, length: int | None = None) -> Canvas:
    """Return a canvas of `length` tokens (None: the dialogue and room for new ones) on which a reply is to be written.

    Raises what `dialogue_tokens` and `reply_canvas` raise.
    """
    words = [("system", system)] if system is not None else []
    messages = [{"role": role, "content": text} for role, text in [*words, ("user", message)]]
    ids = dialogue_tokens(checkpoint, messages)
    return reply_canvas(checkpoint, ids, length or room_for(len(ids), checkpoint.length))


def dialogue_tokens(checkpoint: Checkpoint, messages: list[dict[str, str]]) -> list[int]:
    """The tokens of a dialogue up to where the reply begins. A message has a `role` and its `content`.

    The template's special tokens are tokens; those that a person types are text. The token that ends a turn in the
    template ends the checkpoint's texts from now on: many configs do not name it. Raises `UsageError` for a checkpoint
    without a chat template, `NotLoadableError` for a template that fails.
    """
    tokenizer = require_tokenizer(checkpoint.tokenizer, "it holds no dialogues")
    facts = Facts(checkpoint.folder)
    template = facts.chat_template
    if template is None:
        raise UsageError(f"{checkpoint.name} has no chat template", "Leave out --chat: its prompt is a plain text.")
    ids, end_of_turn = _encode(tokenizer, template, messages, facts.special_tokens)
    tokenizer.add_ends(end_of_turn)
    return ids


def reply_canvas(checkpoint: Checkpoint, ids: list[int], length: int) -> Canvas:
    """A canvas that begins with a dialogue. Raises `UsageError` if that leaves no room."""
    tokenizer = require_tokenizer(checkpoint.tokenizer, "it holds no dialogues")
    if len(ids) >= length:
        raise UsageError(f"a dialogue of {len(ids)} tokens leaves no room on a canvas of {length}", "Raise --length.")
    canvas = torch.tensor([*ids, *[0] * (length - len(ids))], device="cpu")
    free = torch.arange(length, device="cpu") >= len(ids)
    forbidden = tuple(i for i in tokenizer.special_ids if i not in tokenizer.end_ids)
    return Canvas(canvas, free, forbidden=forbidden)


def name_ends(checkpoint: Checkpoint) -> None:
    """Let the token that ends a turn end texts from now on, as after a dialogue: no request changes those after it."""
    if checkpoint.tokenizer is not None and Facts(checkpoint.folder).chat_template is not None:
        # A template that fails is reported to who asks for a dialogue.
        with suppress(SeddError):
            dialogue_tokens(checkpoint, [{"role": "user", "content": "Hello"}])


def _encode(
    tokenizer: Tokenizer, template: str, messages: list[dict[str, str]], special_tokens: dict[str, str]
) -> tuple[list[int], list[int]]:
    """The tokens of a dialogue; and the special token right after its last message, if there is one."""
    words = [message["content"].strip() for message in messages]
    # Blanks at the edges stay where a template trims them.
    hollow = [
        {**message, "content": message["content"].replace(text, PLACE.format(number), 1) if text else ""}
        for number, (message, text) in enumerate(zip(messages, words, strict=True))
    ]
    # Texts of the template, and numbers of messages between them.
    parts = PLACES.split(render(template, hollow, special_tokens))
    special = set(tokenizer.special_ids)
    # Of empty messages alone nothing tells where the last one ends.
    after = tokenizer.encode_special(parts[-1]) if len(parts) > 1 else []
    end_of_turn = [token for token in after if token in special][:1]
    if not any(map(tokenizer.has_special, words)):
        return tokenizer.encode_special(render(template, messages, special_tokens)), end_of_turn
    ids: list[int] = []
    for text, number in zip(parts[::2], [*parts[1::2], None], strict=True):
        ids += tokenizer.encode_special(text)
        ids += tokenizer.encode(words[int(number)]) if number is not None else []
    return ids, end_of_turn
