"""lm-evaluation-harness with checkpoints of ours: `python -m sedd_cli.lm_eval --model sedd --tasks ...`.

lm_eval has no discovery of plugins: `__main__` registers the model under its name and runs their command.
"""
