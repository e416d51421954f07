"""File names of a checkpoint's folder."""

CONFIG = "config.json"
HYDRA_CONFIG = ".hydra/config.yaml"
"""In a run folder of the original SEDD and RADD code, which has no `config.json`."""
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""One of these, or its index of shards; the first present is read."""
HYDRA_WEIGHTS = "checkpoints-meta/checkpoint.pth"
LAST = "last.ckpt"
"""Lightning's name for the newest of its checkpoints."""
TOKENIZER = ("tokenizer.json", "vocab.json", "merges.txt")
SENTENCE_PIECE = "tokenizer.model"
FACTS = (
    *("generation_config.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"),
    "chat_template.jinja",
)
"""Small files that say of other families' networks what config.json does not, such as which token is MASK."""


def index_of(weights: str) -> str:
    """The name of the file that says which shard holds a tensor."""
    return f"{weights}.index.json"
