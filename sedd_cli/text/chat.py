"""A dialogue as a checkpoint's chat template writes it. Templates are programs of strangers: they run in a sandbox."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

from sedd_cli.errors import NotLoadableError

MOST_LINES = 200_000
"""Lines that a template may run: real ones need some hundreds."""


def render(template: str, messages: list[dict[str, str]], special_tokens: Mapping[str, str]) -> str:
    """Return the text up to where the reply begins, as transformers' `apply_chat_template` does; thinking is off.

    `special_tokens`: those that templates name, such as `bos_token`. Raises `NotLoadableError` for a template that
    fails, does not end, or reaches for what a text does not need.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    try:
        with _at_most(MOST_LINES):
            compiled = environment.from_string(template)
            return compiled.render(
                messages=messages, add_generation_prompt=True, enable_thinking=False, **special_tokens
            )
    except (TemplateError, TypeError, ValueError, OverflowError, RecursionError, AttributeError, LookupError) as error:
        raise NotLoadableError(
            f"the checkpoint's chat template fails: {error}", "Write the prompt out, without --chat."
        ) from error


@contextmanager
def _at_most(lines: int) -> Iterator[None]:
    """Raise `OverflowError` in the block once so many lines of Python have run in it."""
    left = lines

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise OverflowError("it does not end")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield
    finally:
        sys.settrace(before)
