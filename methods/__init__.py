"""The methods that ship with the benchmark, one folder each; they use its public interface only."""

PUBLISHED = ("blip2-opt-2.7b", "minigpt4-7b")
"""Backbones of full size that methods keep published settings for, though no package here registers
them: a checkpoint that is loaded or registered under one of these names is edited with those."""
