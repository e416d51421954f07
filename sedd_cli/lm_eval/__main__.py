"""`python -m sedd_cli.lm_eval`: lm_eval's own command, where `sedd` is a model too."""

import sys

from sedd_cli.cli.terminal import Terminal
from sedd_cli.errors import SeddError


def main() -> None:
    """Run lm_eval with the arguments of this process. An error of ours ends it as it ends `sedd`."""
    try:
        try:
            from lm_eval.__main__ import cli_evaluate
            from lm_eval.api.registry import register_model
        except ModuleNotFoundError as error:
            raise SeddError(f"this needs lm-evaluation-harness ({error})", "Install sedd-cli[lm-eval].") from error
        from sedd_cli.lm_eval.model import SeddLM

        register_model("sedd")(SeddLM)
        cli_evaluate()
    except SeddError as error:
        Terminal().error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
