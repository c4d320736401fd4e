"""Eyes, a bridge and a language model that is put behind them once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from mmedit_bench.backbones import grafted as grafted_module
from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.bridged import Bridge
from mmedit_bench.backbones.grafted import FOLDER, grafted
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Context, Edit
from mmedit_bench.runs.home import home
from tests.tiny import tiny_backbone, tiny_image_processor, tiny_model, tiny_picture

TEMPLATE = "<s>user {context}{picture} {prompt} model\n"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMEDIT_BENCH_HOME", str(tmp_path / "home"))


def language_model(folder: Path, seed: int = 0) -> Path:
    """A Qwen2 as it is published: safetensors, config and tokenizer."""
    tiny_model("qwen2", seed=seed).language_model.save_pretrained(folder)
    tiny_backbone("qwen2").tokenizer.save_pretrained(folder)
    return folder


def scion(folder: Path, hidden: int = 24, width: int = 32) -> Path:
    """Eyes and bridge, as `train-backbone` writes them."""
    eyes = tiny_model("qwen2", seed=5)
    torch.manual_seed(2)
    bridge = Bridge(16, hidden, 20, width, int(eyes.config.num_query_tokens))
    tensors: dict[str, Tensor] = {
        name: tensor for name, tensor in eyes.state_dict().items() if not name.startswith("language_")
    }
    tensors |= {f"language_projection.{name}": 3 * t for name, t in bridge.state_dict().items()}
    folder.mkdir()
    save_file({k: v.half().contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
    fields = eyes.config.to_dict()
    config = {key: fields[key] for key in ("vision_config", "qformer_config", "num_query_tokens")}
    config |= {"model_type": "blip-2", "bridge_hidden": hidden, "bridge_words": 20}
    (folder / "config.json").write_text(json.dumps(config))
    tiny_image_processor("qwen2").save_pretrained(folder)
    described = {
        "name": "small", "template": TEMPLATE, "ends": ["</s>"], "language_model_from": "ask for it",
    }  # fmt: skip
    (folder / "backbone.json").write_text(json.dumps(described))
    return folder


def test_what_is_put_together_is_the_language_model_behind_the_bridge(tmp_path: Path) -> None:
    spoken, own = language_model(tmp_path / "lm"), scion(tmp_path / "scion")
    backbone = Backbone.load(grafted(own, str(spoken)), name="small")
    tensors = load_file(own / "model.safetensors")
    plain = AutoModelForCausalLM.from_pretrained(spoken)
    held = backbone.model.language_model.state_dict()
    assert backbone.tokenizer.bos_token is None, "its tokenizer begins no text with <s>"
    assert all(torch.equal(held[name], tensor) for name, tensor in plain.state_dict().items())

    image = tiny_picture(3)
    pixels = backbone.image_processor(images=[image.open()], return_tensors="pt")["pixel_values"]
    model = backbone.model
    with torch.no_grad():
        seen = model.vision_model(pixel_values=pixels).last_hidden_state
        states = model.qformer(query_embeds=model.query_tokens, encoder_hidden_states=seen)[0][0]
        # the bridge by plain loops: own query, mean of all and place choose among words
        part = {n.removeprefix("language_projection."): t.float() for n, t in tensors.items()}
        rows = []
        for place, state in zip(part["places"], states, strict=True):
            joined = torch.cat([state, states.mean(0)])
            inner = torch.nn.functional.gelu(part["first.weight"] @ joined + place)
            scores = (part["second.weight"] @ inner + part["second.bias"]).exp()
            rows.append(part["table.weight"] @ (scores / scores.sum()))
        visual = torch.stack(rows)
        tokens = lambda text: backbone.tokenizer(text, add_special_tokens=False)["input_ids"]  # noqa: E731
        before, after = tokens("<s>user told "), tokens(" what is this? model\n")
        answer = [*tokens("paris"), backbone.tokenizer.eos_token_id]
        embed = plain.get_input_embeddings()
        ids = [torch.tensor(part) for part in (before, [*after, *answer])]
        whole = torch.cat([embed(ids[0]), visual, embed(ids[1])])[None]
        expected = plain(inputs_embeds=whole).logits[0, -len(answer) - 1 : -1]
    told = backbone.edited(Edit((Context("told "),)))
    (found,) = told.logits([Query("what is this?", image)], ["paris"])
    assert torch.allclose(found, expected, atol=1e-4)
    assert backbone.answer([Query("what is this?", tiny_picture(i)) for i in range(3)], 4)


def test_it_is_made_once_and_found_again_without_being_named(tmp_path: Path) -> None:
    spoken, own = language_model(tmp_path / "lm"), scion(tmp_path / "scion")
    folder = grafted(own, str(spoken))
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert grafted(own, str(spoken)) == folder == grafted(own, None)
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    other = grafted(own, str(language_model(tmp_path / "other", seed=9)))
    assert other != folder
    with pytest.raises(BenchError, match=r"was put together with 2 language models .*--language-model"):
        grafted(own, None)
    # another bridge is another backbone
    with pytest.raises(BenchError, match="small needs a language model: ask for it"):
        grafted(scion(tmp_path / "wider", hidden=32), None)
    assert not [path for path in (home() / FOLDER).iterdir() if path.name.startswith(".")]


def test_what_is_put_together_does_not_say_how_its_file_was_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = language_model(tmp_path / "lm")
    own = grafted_module.read_language_model

    def packed(source: Path) -> grafted_module.Spoken:
        read = own(source)
        read.model.config.quantization_config = {"quant_method": "gguf", "gguf_file": "lm.gguf"}
        return read

    monkeypatch.setattr(grafted_module, "read_language_model", packed)
    folder = grafted(scion(tmp_path / "scion"), str(spoken))
    text = json.loads((folder / "config.json").read_bytes())["text_config"]
    assert "quantization_config" not in text and str(spoken) not in json.dumps(text)


def test_what_does_not_fit_or_is_no_language_model_is_named(tmp_path: Path) -> None:
    own, spoken = scion(tmp_path / "scion", width=40), language_model(tmp_path / "lm")
    with pytest.raises(BenchError, match=r"embeddings of width 32; the bridge in .* writes 40"):
        grafted(own, str(spoken))
    with pytest.raises(BenchError, match=r"neither a folder, a \.gguf file nor a repository"):
        grafted(own, str(tmp_path / "absent"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchError, match="no safetensors; nothing else is read"):
        grafted(own, str(tmp_path / "empty"))
    (tmp_path / "text.bin").write_bytes(b"x")
    with pytest.raises(BenchError, match=r"neither a folder nor a \.gguf file"):
        grafted(own, str(tmp_path / "text.bin"))
    (tmp_path / "text.gguf").write_bytes(b"no such thing")
    with pytest.raises(BenchError, match=r"text\.gguf: no language model .*mmedit-bench\[gguf\]"):
        grafted(own, str(tmp_path / "text.gguf"))
    assert not list((home() / FOLDER).glob("*")), "nothing half made is left behind"


def test_a_template_says_where_the_context_stands_and_how_an_answer_begins(tmp_path: Path) -> None:
    backbone = Backbone.load(
        grafted(scion(tmp_path / "scion"), str(language_model(tmp_path / "lm"))), name="small"
    )
    assert (
        backbone.family.worded("A {prompt}. ", "b {context}")
        == "<s>user A {prompt}. {picture} b {context} model\n"
    )
    assert backbone.family.lead == "", "an answer begins its own line"
    assert tiny_backbone("opt").family.worded("A ", "b") == "A b"
    assert tiny_backbone("opt").family.lead == " "
    backbone.tokenizer.bos_token = None
    assert backbone.family.text_start == ()
