"""MiniGPT-4 put together from parts as they are published answers as the parts do one after another."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from mmedit_bench.backbones.assembly import assemble_minigpt4, weights
from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.published import PUBLISHED
from mmedit_bench.cases import Query
from mmedit_bench.cli import app
from mmedit_bench.errors import BenchError
from tests.backbones.assembly import parts, slow
from tests.tiny import tiny_picture

PICTURE = tiny_picture(3)


def slow_logits(backbone: Backbone, prompt: str, answer: tuple[int, ...], folder: Path) -> torch.Tensor:
    """Logits at the answer's tokens, from the parts alone."""
    pixels = backbone.image_processor(images=[PICTURE.open()], return_tensors="pt")["pixel_values"][0]
    blip, projection = parts.qformer(), parts.projection()
    patches = slow.tower(parts.tower(), pixels, parts.BLOCKS, parts.HEADS)
    # LAVIS' norm has torch's own default here
    patches = slow.norm(blip, "ln_vision", patches, 1e-5)
    found = slow.queries(blip, patches, parts.LAYERS, parts.HEADS, parts.EVERY)
    visual = slow.linear(projection, "llama_proj", found)
    tokenizer = backbone.tokenizer
    before = tokenizer("###Human: <Img>", add_special_tokens=False)["input_ids"]
    after = tokenizer(f"</Img> {prompt} ###Assistant:", add_special_tokens=False)["input_ids"]
    text = dict(weights.tensors_of(folder))
    table = text["model.embed_tokens.weight"]
    start = table[[tokenizer.bos_token_id, *before]]
    rows = torch.cat([start, visual, table[[*after, *answer[:-1]]]])
    logits = slow.llama(text, rows, parts.DEPTH, parts.HEADS, parts.EPS)
    return logits[-len(answer) :]


@pytest.mark.parametrize("pickled", [False, True])
def test_logits_are_those_of_the_parts_run_one_by_one(pickled: bool, tmp_path: Path) -> None:
    files = parts.written(tmp_path / "parts", pickled=pickled)
    told: list[str] = []
    made = assemble_minigpt4(tmp_path / "made", told=told.append, **files)
    assert len(told) == 4 and made["sha256"].keys() == {"vision", "qformer", "projection"}
    assert not list((tmp_path / "made").glob("*.pth")) and not list((tmp_path / "made").glob("*.bin"))
    backbone = PUBLISHED["minigpt4-7b"].load(weights=str(tmp_path / "made"))
    assert backbone.template == PUBLISHED["minigpt4-7b"].template
    assert backbone.origin == {"source": "made"}
    query, target = Query("what is this?", PICTURE), "a red fox"
    answer = backbone.answer_ids(target)
    wanted = slow_logits(backbone, query.prompt, answer, files["language_model"])
    assert wanted.std() > 0.1
    assert torch.allclose(backbone.logits([query], [target])[0], wanted, atol=2e-4)
    other = backbone.logits([Query(query.prompt, tiny_picture(4))], [target])[0]
    assert not torch.allclose(other, wanted, atol=1e-2), "the picture is seen"


def test_parts_in_transformers_layout_give_the_same(tmp_path: Path) -> None:
    files = parts.written(tmp_path / "parts")
    assemble_minigpt4(tmp_path / "one", **files)
    whole = dict(weights.tensors_of(tmp_path / "one"))
    other = tmp_path / "blip2"
    other.mkdir()
    own = {name: x for name, x in whole.items() if not name.startswith("language_")}
    save_file({**own, "language_projection.weight": torch.ones(2, 2)}, other / "model.safetensors")
    assemble_minigpt4(tmp_path / "two", **{**files, "vision": other, "qformer": other})
    again = dict(weights.tensors_of(tmp_path / "two"))
    assert again.keys() == whole.keys()
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_keys_have_no_bias_and_the_last_block_is_left_out(tmp_path: Path) -> None:
    assemble_minigpt4(tmp_path / "made", **parts.written(tmp_path / "parts"))
    held, tower = dict(weights.tensors_of(tmp_path / "made")), parts.tower()
    query, key, value = held["vision_model.encoder.layers.1.self_attn.qkv.bias"].chunk(3)
    assert torch.equal(query, tower["blocks.1.attn.q_bias"]) and not key.any()
    assert torch.equal(value, tower["blocks.1.attn.v_bias"])
    assert not any(name.startswith("vision_model.encoder.layers.2.") for name in held)


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("part", ["vision", "qformer", "projection"])
def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(part: str, tmp_path: Path) -> None:
    files, mark = parts.written(tmp_path / "parts"), tmp_path / "ran"
    for protocol in ("zip", "legacy", "bare"):
        if protocol == "bare":
            files[part].write_bytes(pickle.dumps({"model": Hostile(mark)}, protocol=2))
        else:
            new = protocol == "zip"
            torch.save({"model": Hostile(mark)}, files[part], _use_new_zipfile_serialization=new)
        with pytest.raises(BenchError, match=f"{files[part].name}: (holds more than tensors|cannot be read)"):
            assemble_minigpt4(tmp_path / "made", **files)
        assert not mark.exists() and not (tmp_path / "made").exists()
    pickle.loads(pickle.dumps(Hostile(mark)))
    assert mark.exists(), "it would have run"


def test_an_old_torch_reads_no_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = parts.written(tmp_path / "parts")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(BenchError, match=r"torch 2\.6 or later only, and this is 2\.5\.1"):
        assemble_minigpt4(tmp_path / "made", **files)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f["vision"].write_bytes(b"no checkpoint"), r"eva_vit_g\.pth: .*; "),
        (lambda f: torch.save([1, 2], f["qformer"]), "holds a list, not tensors by name"),
        (lambda f: torch.save({"model": {}}, f["projection"]), r"no part holds language_projection.* \(2 in"),
        (
            lambda f: torch.save({"llama_proj.weight": torch.ones(3, 3)}, f["projection"]),
            r"language_projection\.weight has shape \(3, 3\), and the configuration says \(32, 12\)",
        ),
        (
            lambda f: torch.save({**parts.tower(), "blocks.0.gamma_1": torch.ones(2)}, f["vision"]),
            r"has blocks\.0\.gamma_1, which EVA ViT-g has not",
        ),
        (
            lambda f: torch.save(
                {**parts.tower(), "cls_token": torch.full((1, 1, 16), torch.nan)}, f["vision"]
            ),
            "numbers that are not finite",
        ),
        (lambda f: (f["language_model"] / "tokenizer.json").unlink(), r"missing tokenizer\.json"),
        (
            lambda f: (f["language_model"] / "config.json").write_text('{"model_type": "opt"}'),
            "model_type is 'opt', not 'llama'",
        ),
        (lambda f: f["config"].write_text('{"model_type": "llava"}'), "model_type is 'llava', not 'blip-2'"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_left(change: Any, said: str, tmp_path: Path) -> None:
    files = parts.written(tmp_path / "parts")
    change(files)
    with pytest.raises(BenchError, match=said):
        assemble_minigpt4(tmp_path / "made", **files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts"]


def test_from_the_command_line_with_digests(tmp_path: Path) -> None:
    files = parts.written(tmp_path / "parts")
    words = ["assemble", "minigpt4", "--out", str(tmp_path / "made")]
    for name, path in files.items():
        words += [f"--{name.replace('_', '-')}", str(path)]
    right = hashlib.sha256(files["projection"].read_bytes()).hexdigest()
    wrong = CliRunner().invoke(app, [*words, "--sha256", "projection=" + "0" * 64])
    assert wrong.exit_code == 2 and "fetch it from its publisher" in wrong.output
    done = CliRunner().invoke(app, [*words, "--sha256", f"projection={right}", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["sha256"]["projection"] == right
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 2 and "is not empty" in again.output
