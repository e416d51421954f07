"""What a folder's small files say of a network, and the record of a layout that reads them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sedd_cli.errors import NotLoadableError

if TYPE_CHECKING:
    from torch import Tensor

    from sedd_cli.models.config import Config

Renaming = Callable[[str], str]
ROWS_OF_TOKENS = {"embed_tokens.weight", "lm_head.weight"}
"""Tensors of `backbones.llama` with a row for each state; files have rows beyond those that a config counts."""


@dataclass(frozen=True)
class Format:
    """A public layout. `model_types`: values of the key by which it is recognised.

    `sections` returns the table of our own `Config`; `rename` the name of a tensor in its backbone. `fold` names the
    `module:function` that changes tensors once, in place, where names alone do not do: of tensors and config.
    Functions of a `Facts` may raise `KeyError` and `TypeError` for a config that lacks what its layout has.
    """

    name: str
    model_types: tuple[str, ...]
    recognises: "Callable[[Facts], bool]"
    sections: "Callable[[Facts], dict[str, Any]]"
    rename: Renaming
    fold: str = ""
    by_blocks: bool = False
    """Whether it may have a `block_size`."""
    split: str = ""
    """The pattern that cuts a text into words where the folder has vocab.json and merges.txt; "": GPT-2's."""

    def apply(self, weights: "dict[str, Tensor]", config: "Config") -> "dict[str, Tensor]":
        """The tensors of a folder's files as those of its backbone."""
        renamed = {self.rename(name): tensor for name, tensor in weights.items()}
        if getattr(config.model, "tied", False):
            # Some files hold the embedding a second time.
            renamed.pop("lm_head.weight", None)
        for name in ROWS_OF_TOKENS & renamed.keys():
            renamed[name] = renamed[name][: config.tokens + 1]
        if self.fold:
            module, function = self.fold.split(":")
            getattr(import_module(module), function)(renamed, config)
        return renamed


@dataclass(frozen=True)
class Facts:
    """The small files of a folder, each read when it is asked for."""

    folder: Path

    def _read(self, name: str) -> Mapping[str, Any]:
        try:
            table = json.loads((self.folder / name).read_text("utf-8-sig"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise NotLoadableError(f"cannot read {self.folder / name}: {error}", "Fetch the file again.") from error
        return table if isinstance(table, dict) else {}

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """config.json; empty if there is none, or no table."""
        try:
            return self._read("config.json")
        except NotLoadableError:
            # It is reported where it is read as a config of ours.
            return {}

    @cached_property
    def generation(self) -> Mapping[str, Any]:
        return self._read("generation_config.json")

    def first(self, key: str) -> Any:
        """The value of a key in config.json, else in generation_config.json; None if it is in neither."""
        return self.config.get(key) if self.config.get(key) is not None else self.generation.get(key)

    @cached_property
    def token_ids(self) -> Mapping[str, int]:
        """Ids of the tokens that the tokenizer's files add to its vocabulary. Not every file names all of them."""
        try:
            added = {token["content"]: token["id"] for token in self._read("tokenizer.json").get("added_tokens") or []}
            added |= {str(token): int(i) for token, i in self._read("added_tokens.json").items()}
            decoder = self._read("tokenizer_config.json").get("added_tokens_decoder") or {}
            return added | {token["content"]: int(i) for i, token in decoder.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NotLoadableError(
                f"the special tokens in {self.folder} are damaged: {error!r}", "Fetch the tokenizer's files again."
            ) from error

    def special_id(self, role: str) -> int | None:
        """The id of a special token, "mask", "bos" or "eos": as configs give it, else as the tokenizer's files do."""
        value = self.first(f"{role}_token_id")
        if value is not None:
            return int(value[0] if isinstance(value, list) else value)
        token = self._read("tokenizer_config.json").get(f"{role}_token")
        if token is None:
            token = self._read("special_tokens_map.json").get(f"{role}_token")
        return self.token_ids.get(token["content"] if isinstance(token, Mapping) else token) if token else None

    def end_ids(self) -> list[int]:
        """Ids of the tokens that end a text, those of generation_config.json first: there are several of a dialogue."""
        values = (table.get("eos_token_id") for table in (self.generation, self.config))
        return list(dict.fromkeys(int(i) for v in values if v is not None for i in (v if isinstance(v, list) else [v])))

    def leading_id(self) -> int:
        """The id of the token before every canvas: the beginning of a text, else its end. Raises as `mask_id` does."""
        leading_id = self.special_id("bos")
        leading_id = self.special_id("eos") if leading_id is None else leading_id
        if leading_id is None:
            raise NotLoadableError(
                f"nothing in {self.folder} names the token that begins a text", "Put bos_token_id into its config.json."
            )
        return leading_id

    @cached_property
    def chat_template(self) -> str | None:
        """The template of dialogues: chat_template.jinja, else that of tokenizer_config.json; None without one."""
        path = self.folder / "chat_template.jinja"
        if path.is_file():
            return path.read_text("utf-8-sig")
        template = self._read("tokenizer_config.json").get("chat_template")
        if isinstance(template, list):
            named = {entry["name"]: entry["template"] for entry in template}
            template = named.get("default")
        return template if isinstance(template, str) else None

    @cached_property
    def special_tokens(self) -> dict[str, str]:
        """The special tokens that templates name: `bos_token`, `eos_token` and others."""
        table = {**self._read("special_tokens_map.json"), **self._read("tokenizer_config.json")}
        named = {key: value for key, value in table.items() if key.endswith("_token") and value}
        texts = {key: value["content"] if isinstance(value, Mapping) else value for key, value in named.items()}
        return {key: value for key, value in texts.items() if isinstance(value, str)}

    def mask_id(self) -> int:
        """The id of MASK. Raises `NotLoadableError` if no file gives it."""
        mask_id = self.special_id("mask")
        if mask_id is None:
            raise NotLoadableError(
                f"nothing in {self.folder} names the token that is MASK",
                "Put mask_token_id into its generation_config.json.",
            )
        return mask_id
