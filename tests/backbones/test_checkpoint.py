"""Checkpoint folders and the shipped backbones."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from mmedit_bench.backbones import zoo
from mmedit_bench.backbones.base import Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from tests.tiny import FAMILIES, KNOWN, tiny_backbone, tiny_picture

TEMPLATE = "Question: {prompt} Answer:"


def write(backbone: Backbone, folder: Path, **options: Any) -> None:
    copy.deepcopy(backbone.model).half().save_pretrained(folder, **options)
    backbone.tokenizer.save_pretrained(folder)
    backbone.image_processor.save_pretrained(folder)
    described = {"name": backbone.name, "template": backbone.template}
    (folder / "backbone.json").write_text(json.dumps(described))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_written_backbone_answers_the_same_when_read(family: str, tmp_path: Path) -> None:
    backbone = tiny_backbone(family, template=TEMPLATE)
    write(backbone, tmp_path)
    for parameter in backbone.model.parameters():
        parameter.data = parameter.data.half().float()
    read = Backbone.load(tmp_path, name=backbone.name, batch_size=3)
    assert (read.name, read.template, read.batch_size) == (f"tiny-{family}", TEMPLATE, 3)
    assert (read.dtype, read.device) == (torch.float32, torch.device("cpu"))
    assert not any(p.requires_grad for p in read.model.parameters())
    assert not read.model.training
    queries = [Query("what is this?", tiny_picture(i) if i else None) for i in range(4)]
    assert read.answer(queries, 9) == backbone.answer(queries, 9)
    assert read.digest == Backbone.load(tmp_path, name="other").digest
    assert Backbone.load(tmp_path, name="x", dtype="bfloat16").answer(queries, 2)


def test_loading_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"missing config\.json, model\.safetensors, .*backbone\.json"):
        Backbone.load(tmp_path, name="x")
    write(tiny_backbone("opt"), tmp_path)
    with pytest.raises(BenchError, match="dtype 'int8' is not one of float32"):
        Backbone.load(tmp_path, name="x", dtype="int8")
    with pytest.raises(BenchError, match="device 'nonsense' cannot be used"):
        Backbone.load(tmp_path, name="x", device="nonsense")
    with pytest.raises(BenchError, match="batch_size is 0"):
        Backbone.load(tmp_path, name="x", batch_size=0)
    for text in ("", "[]", "{}", '{"template": 3}', '{"template": "no field"}'):
        (tmp_path / "backbone.json").write_text(text)
        with pytest.raises(BenchError, match=r"backbone\.json"):
            Backbone.load(tmp_path, name="x")


def test_a_shipped_backbone_without_checkpoint_says_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "CHECKPOINTS", tmp_path)
    for loader, name in ((zoo.blip2_opt_mini, "blip2-opt-mini"), (zoo.minigpt4_mini, "minigpt4-mini")):
        with pytest.raises(BenchError, match=f"mmedit-bench train-backbone {name}"):
            loader()
        write(tiny_backbone("opt"), tmp_path / name)
        assert loader(batch_size=2).name == name


# ---- every family, shards, the hub


@pytest.mark.parametrize("family", KNOWN)
def test_every_family_is_read_from_shards(family: str, tmp_path: Path) -> None:
    backbone = tiny_backbone(family, template=TEMPLATE)
    write(backbone, tmp_path, max_shard_size="20KB")
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 1 and not (tmp_path / "model.safetensors").exists()
    for parameter in backbone.model.parameters():
        parameter.data = parameter.data.half().float()
    read = Backbone.load(tmp_path, name="x")
    queries = [Query("what is this?", tiny_picture(i) if i else None) for i in range(4)]
    assert read.answer(queries, 6) == backbone.answer(queries, 6)
    assert read.anatomy == backbone.anatomy
    shards[0].unlink()
    with pytest.raises(BenchError, match=f"missing {shards[0].name}"):
        Backbone.load(tmp_path, name="x")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(BenchError, match=r"index\.json: no JSON object with a field 'weight_map'"):
        Backbone.load(tmp_path, name="x")


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    backbone = tiny_backbone("opt")
    write(backbone, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(backbone.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(BenchError, match=r"missing model\.safetensors"):
        Backbone.load(tmp_path, name="x")


@pytest.mark.parametrize("family", KNOWN)
def test_a_checkpoint_without_some_weights_is_refused(family: str, tmp_path: Path) -> None:
    write(tiny_backbone(family), tmp_path)
    held = load_file(tmp_path / "model.safetensors")
    end = "layers.1.self_attn.k_proj.weight"
    name = next(n for n in sorted(held) if n.endswith(end) and "vision" not in n)
    kept = {key: own for key, own in held.items() if key != name}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(BenchError, match=r"no weights for .*k_proj\.weight \(1 in all\)"):
        Backbone.load(tmp_path, name="x")


def with_gguf(backbone: Backbone, folder: Path, **changes: int) -> None:
    """A checkpoint whose text model is a GGUF file, unquantised, and whose safetensors hold the rest."""
    gguf = pytest.importorskip("gguf", reason="needs the extra gguf")
    pytest.importorskip("accelerate", reason="needs the extra gguf")
    write(backbone, folder)
    text = backbone.model.language_model
    config = text.config
    out = gguf.GGUFWriter(str(folder / "text.gguf"), "qwen2")
    out.add_block_count(config.num_hidden_layers)
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(config.num_attention_heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_freq_base(config.rope_parameters["rope_theta"])
    out.add_vocab_size(changes.get("vocab_size", config.vocab_size))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, tensor in text.state_dict().items():
        if name != "lm_head.weight":  # tied
            own = tensor[: changes.get("vocab_size", len(tensor))] if "embed" in name else tensor
            out.add_tensor(
                names.get_name(name, try_suffixes=(".weight", ".bias")), own.half().float().numpy()
            )
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    rest = load_file(folder / "model.safetensors")
    rest = {name: own for name, own in rest.items() if not name.startswith("language_model.")}
    save_file(rest, folder / "model.safetensors", {"format": "pt"})
    (folder / "backbone.json").write_text(json.dumps({"template": TEMPLATE, "text": "text.gguf"}))


def test_a_text_model_is_read_from_gguf(tmp_path: Path) -> None:
    backbone = tiny_backbone("qwen2", template=TEMPLATE)
    with_gguf(backbone, tmp_path)
    for parameter in backbone.model.parameters():
        parameter.data = parameter.data.half().float()
    read = Backbone.load(tmp_path, name="x")
    queries = [Query("what is this?", tiny_picture(i) if i else None) for i in range(4)]
    assert read.answer(queries, 6) == backbone.answer(queries, 6)
    assert torch.equal(read.logits(queries, ["a"] * 4)[1], backbone.logits(queries, ["a"] * 4)[1])
    assert not any(p.requires_grad for p in read.model.parameters())


def test_a_text_model_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with_gguf(tiny_backbone("qwen2"), tmp_path, vocab_size=64)
    with pytest.raises(BenchError, match=r"vocab_size is 64, but config\.json says"):
        Backbone.load(tmp_path, name="x")


def test_what_holds_no_text_model_is_named(tmp_path: Path) -> None:
    write(tiny_backbone("opt"), tmp_path)
    path = tmp_path / "backbone.json"
    path.write_text(json.dumps({"template": "{prompt}", "text": "text.gguf"}))
    with pytest.raises(BenchError, match=r"missing text\.gguf, the 'text' of backbone\.json"):
        Backbone.load(tmp_path, name="x")
    (tmp_path / "text.gguf").write_bytes(b"no such thing")
    with pytest.raises(BenchError, match=r"text\.gguf: cannot be read .*mmedit-bench\[gguf\]"):
        Backbone.load(tmp_path, name="x")
    path.write_text(json.dumps({"template": "{prompt}", "text": 3}))
    with pytest.raises(BenchError, match="field 'text' is a int, not a file name"):
        Backbone.load(tmp_path, name="x")


def test_ends_are_read_and_checked(tmp_path: Path) -> None:
    write(tiny_backbone("opt"), tmp_path)
    described = {"template": "{prompt}", "ends": ["Ċ", "</s>"]}
    (tmp_path / "backbone.json").write_text(json.dumps(described))
    read = Backbone.load(tmp_path, name="x")
    newline = read.tokenizer.convert_tokens_to_ids("Ċ")
    assert (read.family.closing, read.family.ends) == (newline, {newline, read.tokenizer.eos_token_id})
    (tmp_path / "backbone.json").write_text(json.dumps(described | {"ends": "Ċ"}))
    with pytest.raises(BenchError, match="field 'ends' is not a list of texts"):
        Backbone.load(tmp_path, name="x")


def test_a_published_checkpoint_is_read_by_its_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the local cache, laid out as huggingface_hub keeps it."""
    snapshot = tmp_path / "models--acme--tiny" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    backbone = tiny_backbone("llava")
    write(backbone, snapshot)
    (snapshot / "backbone.json").unlink()
    refs = tmp_path / "models--acme--tiny" / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    kept = partial(huggingface_hub.snapshot_download, cache_dir=tmp_path, local_files_only=True)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", kept)
    read = Backbone.load("acme/tiny", name="x", template="so: {prompt}", revision="main")
    assert (read.template, read.anatomy.name) == ("so: {prompt}", "llava/llama")
    assert read.answer([Query("what is this?", tiny_picture(0))], 3)
    with pytest.raises(BenchError, match=r"missing backbone\.json"):
        Backbone.load("acme/tiny", name="x")
    with pytest.raises(BenchError, match="checkpoint acme/other: neither a folder nor to be had"):
        Backbone.load("acme/other", name="x", template="{prompt}")


def test_words_and_pictures_are_read_where_checkpoints_of_any_age_keep_them(tmp_path: Path) -> None:
    """A processor's own chat template stands above the tokenizer's, and may hold the picture processor."""
    backbone = tiny_backbone("llava")
    write(backbone, tmp_path)
    asked = [Query("what is this?", tiny_picture(i)) for i in range(2)]
    answers = Backbone.load(tmp_path, name="x").answer(asked, 4)
    template = str(backbone.tokenizer.chat_template)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(BenchError, match="no chat template"):
        Backbone.load(tmp_path, name="x")
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    pictures = tmp_path / "preprocessor_config.json"
    settings = json.loads(pictures.read_text())
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": settings}))
    pictures.unlink()
    read = Backbone.load(tmp_path, name="x")
    assert read.tokenizer.chat_template == template
    assert read.image_processor.to_json_string() == backbone.image_processor.to_json_string()
    assert read.answer(asked, 4) == answers
    (tmp_path / "processor_config.json").write_text("{}")
    with pytest.raises(BenchError, match=r"missing preprocessor_config\.json"):
        Backbone.load(tmp_path, name="x")
    (tmp_path / "processor_config.json").write_text("[]")
    with pytest.raises(BenchError, match=r"processor_config\.json: holds a list, not an object"):
        Backbone.load(tmp_path, name="x")
