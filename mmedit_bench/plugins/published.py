"""Names of the backbones of full size; what else is known of them is in `backbones.published`."""

NAMES = (
    "blip2-opt-2.7b",
    "minigpt4-7b",
    "llava-1.5-7b",
    "llava-onevision-7b",
    "qwen2.5-vl-7b",
    "qwen3-vl-8b",
    "smolvlm-2.2b",
    "internvl3-8b",
    "gemma3-4b",
)
"""In the order of documentation. They share a file of settings where they have none of their own."""
