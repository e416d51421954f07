"""A checkpoint that holds dialogues."""

import json
from pathlib import Path

from tests.models.other_families import byte_level, save_random

TEMPLATE = """
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""


def save_dialogues(folder: Path) -> Path:
    """A random network over bytes with a chat template."""
    inner = byte_level("<|im_start|>", "<|im_end|>", "<|mask|>")
    save_random(folder, inner, mask_token_id=258, eos_token_id=257)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": TEMPLATE, "eos_token": "<|im_end|>"}))
    return folder
