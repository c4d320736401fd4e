"""Backbones whose parts are published one by one, put together as one checkpoint folder."""

from mmedit_bench.backbones.assembly.minigpt4 import assemble_minigpt4

__all__ = ["assemble_minigpt4"]
