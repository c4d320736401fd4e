"""Training the mini backbones from nothing: `mmedit-bench train-backbone`."""

from mmedit_bench.backbones.training.pipeline import train

__all__ = ["train"]
