"""A RADD checkpoint with more blocks and a larger vocabulary: a start for training it further.

    python train/grow.py CHECKPOINT --data train.txt --blocks 8 --tokens 8192 -o FOLDER

A new block is a copy of the one before it whose residual outputs are zero, so that it changes nothing yet. A new token
begins as the tokens of the old vocabulary that spell it: their mean embedding, and the head's row of the first one,
whose probability is shared out by how often each goes on in which way (`new_tokens`).
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from sedd_cli import load_checkpoint
from sedd_cli.text.corpus import read_documents
from sedd_cli.training.vocabulary import make_tokenizer

Weights = dict[str, Tensor]
BLOCK = "blocks."
SILENT = ("attn_out.weight", "mlp.2.weight", "mlp.2.bias")
PRIOR = 0.5
"""Added to every count of a token, so that no share is zero."""


def deepen(weights: Weights, old: int, new: int) -> Weights:
    """Weights of `new` blocks that compute what those of `old` do; the new ones stand evenly among them."""
    grown = {name: tensor for name, tensor in weights.items() if not name.startswith(BLOCK)}
    sources = [number * old // new for number in range(new)]
    for number, source in enumerate(sources):
        added = number > 0 and sources[number - 1] == source
        for name, tensor in weights.items():
            if name.startswith(f"{BLOCK}{source}."):
                part = name.removeprefix(f"{BLOCK}{source}.")
                silent = added and part in SILENT
                grown[f"{BLOCK}{number}.{part}"] = torch.zeros_like(tensor) if silent else tensor.clone()
    return grown


def new_tokens(weights: Weights, pieces: list[list[int]], old_counts: Tensor, new_counts: Tensor) -> Weights:
    """Weights for a vocabulary whose token i is spelt by the tokens `pieces[i]` of the old one.

    `old_counts` (V,) and `new_counts` (len(pieces),) are how often each token stands in the same text; a token's share
    of the probability of its first piece is the ratio of the two. MASK, the last state, stays the last.
    """
    first = torch.tensor([spelling[0] for spelling in pieces])
    share = ((new_counts + PRIOR).log() - (old_counts + PRIOR).log()[first]).clamp(max=0.0)
    embedding, head = weights["vocab_embed.embedding"], weights["output_layer.linear.weight"]
    bias = weights["output_layer.linear.bias"]
    means = torch.stack([embedding[spelling].mean(0) for spelling in pieces])
    return weights | {
        "vocab_embed.embedding": torch.cat([means, embedding[-1:]]),
        "output_layer.linear.weight": torch.cat([head[first], head[-1:]]),
        "output_layer.linear.bias": torch.cat([bias[first] + share.to(bias), bias[-1:]]),
    }


def spellings(old: Tokenizer, new: Tokenizer) -> list[list[int]]:
    """The old tokens that spell each new one."""
    special = {token.content for token in new.get_added_tokens_decoder().values()}
    tokens = [new.id_to_token(number) for number in range(new.get_vocab_size())]
    return [
        [old.token_to_id(token)] if token in special else [piece.id for piece in old.model.tokenize(token)]
        for token in tokens
    ]


def counts(tokenizer: Tokenizer, documents: Iterable[str]) -> Tensor:
    """How often each token stands in the documents: (V,) float64."""
    found = Counter(number for text in documents for number in tokenizer.encode(text).ids)
    return torch.tensor([found[number] for number in range(tokenizer.get_vocab_size())], dtype=torch.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="one in RADD form: built-in name or folder")
    parser.add_argument("--data", type=Path, required=True, help="the text that the tokenizer is trained on")
    parser.add_argument("--blocks", type=int, required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    checkpoint = load_checkpoint(args.checkpoint)
    assert checkpoint.parameterization == "RADD"
    args.output.mkdir(parents=True)
    documents = list(read_documents(args.data))
    tokenizer = make_tokenizer(f"bpe:{args.tokens}", documents).save()
    (args.output / "tokenizer.json").write_bytes(tokenizer)
    old, new = (Tokenizer.from_file(str(f / "tokenizer.json")) for f in (checkpoint.folder, args.output))
    weights = deepen(checkpoint.model.backbone.state_dict(), checkpoint.config.model.n_blocks, args.blocks)
    weights = new_tokens(weights, spellings(old, new), counts(old, documents), counts(new, documents))
    save_file(weights, args.output / "model.safetensors")
    table = json.loads((checkpoint.folder / "config.json").read_text())
    # Little text gives fewer tokens than were asked for.
    table["tokens"], table["model"]["n_blocks"] = new.size, args.blocks
    table["provenance"].pop("bound", None)
    (args.output / "config.json").write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
