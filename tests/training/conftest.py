"""Networks here are as small as the arrays of tests/diffusion: one thread too."""

from tests.diffusion.conftest import one_thread  # noqa: F401
