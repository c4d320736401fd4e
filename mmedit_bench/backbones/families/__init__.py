"""One small adapter per family of vision-language models, between a backbone and transformers."""

from mmedit_bench.backbones.families.base import Family
from mmedit_bench.backbones.families.known import FAMILIES, family_of

__all__ = ["FAMILIES", "Family", "family_of"]
