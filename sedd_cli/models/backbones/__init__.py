"""Networks behind one protocol, and which of them a config's `model.type` names.

Importing this needs no torch: configs are read without it. A backbone is a module of this folder with a class that
is a `protocol.Backbone`, and an entry here.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sedd_cli.models.backbones.protocol import Backbone


@dataclass(frozen=True)
class BackboneType:
    """Where the class of a `model.type` is defined, and whether it is conditioned on the total noise."""

    module: str
    name: str
    time_conditioned: bool

    def load(self) -> "type[Backbone]":
        """Import the class; it is built as `(config, states, mask_id)`."""
        backbone: type[Backbone] = getattr(import_module(self.module), self.name)
        return backbone


BACKBONES = {
    "ddit": BackboneType("sedd_cli.models.backbones.ddit", "DDiT", time_conditioned=True),
    "ddit_wot": BackboneType("sedd_cli.models.backbones.ddit", "DDiT", time_conditioned=False),
    "llama": BackboneType("sedd_cli.models.backbones.llama", "Llama", time_conditioned=False),
}
"""By `model.type`."""
