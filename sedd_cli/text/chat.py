"""A dialogue as a checkpoint's chat template writes it. Templates are programs of strangers: they run in a sandbox."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from sedd_cli.errors import NotLoadableError

MOST_LINES = 200_000
"""Lines that a template may run: real ones need some hundreds."""
LONGEST = 1 << 20
"""Characters or items that a product may have."""


def render(template: str, messages: list[dict[str, str]], special_tokens: Mapping[str, str]) -> str:
    """Return the text up to where the reply begins, as transformers' `apply_chat_template` does; thinking is off.

    `special_tokens`: those that templates name, such as `bos_token`. Raises `NotLoadableError` for a template that
    fails, does not end, or reaches for what a text does not need.
    """
    try:
        with _at_most(MOST_LINES):
            return (
                _environment()
                .from_string(template)
                .render(
                    messages=messages,
                    tools=None,
                    documents=None,
                    add_generation_prompt=True,
                    enable_thinking=False,
                    **special_tokens,
                )
            )
    except Exception as error:  # a stranger's program can raise what it will
        reason = str(error) or type(error).__name__
        raise NotLoadableError(
            f"the checkpoint's chat template fails: {reason}", "Write the prompt out, without --chat."
        ) from error


class _Sandbox(ImmutableSandboxedEnvironment):
    """Without the two operators by which one line takes all memory, or never ends."""

    intercepted_binops = frozenset(["*", "**"])

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        sizes = [len(value) for value in (left, right) if isinstance(value, str | bytes | list | tuple)]
        times = max((value for value in (left, right) if isinstance(value, int)), default=1)
        if operator == "**" or any(size * times > LONGEST for size in sizes):
            raise SecurityError("it computes what no text needs")
        return super().call_binop(context, operator, left, right)


class _Generation(Extension):
    """`{% generation %}`: what an assistant wrote, in a scope of its own. Training marks it; here it is text."""

    tags = {"generation"}  # noqa: RUF012 - as the base class has it

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


class _Namespace(Namespace):
    """A namespace whose attributes hide nothing that the sandbox looks at."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *rest = args
        for name in (attributes := dict(*rest, **kwargs)):
            _check_name(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name: object) -> None:
    if str(name).startswith("_"):
        raise SecurityError(f"it names an attribute {name}")


def _environment() -> _Sandbox:
    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation])
    environment.filters["tojson"] = tojson
    environment.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": lambda form: datetime.now().astimezone().strftime(form),
        "namespace": _Namespace,
        "dict": lambda *args, **kwargs: dict(*args, **kwargs),
    }
    return environment


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
