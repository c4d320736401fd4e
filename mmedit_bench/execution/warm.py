"""Imports what takes seconds and every worker needs; see `processes`."""

import torch
from transformers import Blip2ForConditionalGeneration

__all__ = ["Blip2ForConditionalGeneration", "torch"]
