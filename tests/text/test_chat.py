"""Chat templates: rendered as transformers renders them, in a sandbox."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Inner
from tokenizers import decoders, models, pre_tokenizers

from sedd_cli import NotLoadableError
from sedd_cli.text.byte_level import BYTE_ALPHABET
from sedd_cli.text.chat import render
from tests.conftest import Sedd
from tests.models.other_families import save_random

TEMPLATE = """
{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe brief.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is false %}{{ '<think></think>' }}{% endif %}{% endif %}
"""
HELLO = [{"role": "user", "content": " Hello"}]
RENDERED = (
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think></think>"
)


def test_a_template_ends_where_the_reply_begins() -> None:
    assert render(TEMPLATE, HELLO, {}) == RENDERED
    assert render("{{ bos_token }}{{ messages | tojson }}", [], {"bos_token": "<s>"}) == "<s>[]"


@pytest.mark.slow
def test_transformers_renders_it_alike() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    theirs, _ = render_jinja_template(
        [HELLO], chat_template=TEMPLATE, add_generation_prompt=True, enable_thinking=False
    )
    assert theirs == [RENDERED]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "does not end"),
        ("{% include '/etc/passwd' %}", "fails"),
        ("{{ messages.__class__.__mro__ }}", "fails"),
        ("{{ raise_exception('only two roles') }}", "only two roles"),
        ("{% for %}", "fails"),
    ],
)
def test_a_template_that_fails_is_named(template: str, message: str) -> None:
    with pytest.raises(NotLoadableError, match=message):
        render(template, HELLO, {})


@pytest.fixture
def dialogues(tmp_path: Path) -> Path:
    """A random network over bytes that holds dialogues."""
    inner = Inner(models.BPE(vocab={entry: i for i, entry in enumerate(BYTE_ALPHABET)}, merges=[]))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens(["<|im_start|>", "<|im_end|>", "<|mask|>"])
    folder = save_random(tmp_path / "dialogues", inner, mask_token_id=258, eos_token_id=257)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE, "eos_token": "<|im_end|>"}))
    return folder


def test_a_reply_alone_is_printed(sedd: Sedd, dialogues: Path) -> None:
    command = ("generate", "--chat", "Say <|im_end|>", "-m", str(dialogues), "--steps", "8", "--seed", "1")
    answered = sedd(*command, "--json", "--system", "Be kind.")
    record = json.loads(answered.stdout)
    (sample,) = record["samples"]
    assert len(sample["ids"]) % 32 == 0
    # Three turns begin and two end: what a person spells out is text.
    given = sample["ids"][: [i for i, token in enumerate(sample["ids"]) if token == 256][2]]
    assert given.count(257) == 2
    printed = sedd(*command, "--system", "Be kind.").stdout.decode()
    assert printed == sample["text"] + "\n" and "Say" not in printed and "Be kind" not in printed
    assert "end-of-text" not in sedd(*command).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--chat", "Hello"], "tinystories has no chat template"),
        (["--chat"], "--chat takes a message"),
        (["--system", "Be kind."], "Add --chat"),
        (["--chat", "Hello", "--suffix", "end"], "no suffix"),
        (["--chat", "Hello", "-o", "folder/"], "not into a folder"),
    ],
)
def test_where_no_dialogue_is_held(sedd: Sedd, arguments: list[str], message: str) -> None:
    result = sedd("generate", *arguments)
    assert (result.code, result.stdout) == (2, b"") and message in result.stderr


def test_a_message_that_fills_the_canvas(sedd: Sedd, dialogues: Path) -> None:
    result = sedd("generate", "--chat", "Hello", "-m", str(dialogues), "--length", "8")
    assert result.code == 2 and "leaves no room on a canvas of 8" in result.stderr
