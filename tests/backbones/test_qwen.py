"""Pictures of any size, positions along three axes, and what inner layers add: Qwen2-VL to Qwen3-VL."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.forcing import all_logits
from mmedit_bench.backbones.inputs import Row
from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Context, Edit, WeightDelta
from tests.backbones.published import hf_inputs, hf_logits, processor_of
from tests.backbones.rebuilt import delta_for
from tests.backbones.test_checkpoint import write
from tests.tiny import tiny_backbone, tiny_image_processor, tiny_picture
from tests.tiny_qwen import QWEN

SIZES = ((32, 32), (64, 24), (24, 80), (200, 30), (7, 9), (300, 400))
"""Width and height: square, broad, high, too large, too small."""
PICTURES = [tiny_picture(i, *size) for i, size in enumerate(SIZES)]
QUERIES = [Query("what is this? a lighthouse or a ball?", image) for image in PICTURES]
QUERIES += [Query("name the colour"), Query("fox", PICTURES[2])]
TARGETS = ["a red fox", "paris", "green, blue", "asia"] * 2


@pytest.fixture(params=QWEN)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def own_positions(backbone: Backbone, query: Query, answer: tuple[int, ...]) -> Tensor:
    """Those that the whole model makes of what its processor gives, [3, n]."""
    given = hf_inputs(backbone, query, answer)
    if query.image is None:
        return torch.arange(given["input_ids"].shape[1]).expand(3, -1)
    found, _ = backbone.model.model.get_rope_index(
        given["input_ids"],
        mm_token_type_ids=given["mm_token_type_ids"],
        image_grid_thw=given["image_grid_thw"],
    )
    return found[:, 0]


def rows_of(backbone: Backbone) -> list[Row]:
    pairs = zip(QUERIES, TARGETS, strict=True)
    return [backbone._encoder.row(query, target=target) for query, target in pairs]


def test_positions_are_the_models_own_whatever_the_padding(backbone: Backbone) -> None:
    rows = rows_of(backbone)
    batch = backbone._batch(rows)
    assert batch.positions.shape == (3, len(rows), max(row.length for row in rows))
    for i, (query, row) in enumerate(zip(QUERIES, rows, strict=True)):
        wanted = own_positions(backbone, query, row.answer)
        assert wanted.shape == (3, row.length)
        assert torch.equal(batch.positions[:, i, -row.length :], wanted)
        assert not batch.positions[:, i, : -row.length].any()
        assert batch.last[i] == wanted.max()
    assert any(int(row.length) != int(last) + 1 for row, last in zip(rows, batch.last, strict=True))


def test_a_picture_has_as_many_tokens_as_its_own_processor_says(backbone: Backbone) -> None:
    processor, counts = processor_of(backbone), set()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(5, 200, (40, 2), generator=generator).tolist()
    for width, height in (*SIZES, *drawn):
        image = tiny_picture(0, width, height)
        (told,) = processor._get_num_multimodal_tokens(image_sizes=[(height, width)]).num_image_tokens
        assert backbone.family.picture_tokens(image) == told
        counts.add(told)
    for image, tokens in zip(PICTURES, backbone.visual(PICTURES), strict=True):
        assert tokens.shape == (backbone.family.picture_tokens(image), 32)
    assert len(counts) > 6


def test_answers_are_those_of_hugging_faces_generate(backbone: Backbone) -> None:
    """Which goes on with a cache, from the positions that it has after a picture."""
    answers = backbone.answer(QUERIES, 12)
    assert len(set(answers)) > 3
    for query, answer in zip(QUERIES, answers, strict=True):
        given = hf_inputs(backbone, query)
        written = backbone.model.generate(**given, max_new_tokens=12, do_sample=False)
        own = written[0, given["input_ids"].shape[1] :]
        assert answer == backbone.tokenizer.decode(own, skip_special_tokens=True).strip()


def test_logits_are_those_of_the_whole_model_at_every_position(backbone: Backbone) -> None:
    rows = rows_of(backbone)
    with torch.no_grad():
        found = all_logits(backbone.family, backbone._batch(rows), rows)
    for query, row, own in zip(QUERIES, rows, found, strict=True):
        assert torch.allclose(own, hf_logits(backbone, query, row.answer)[:-1], atol=1e-4)


# ---- what would change logits without an error


def test_one_axis_in_the_place_of_three_says_something_else(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = backbone.logits(QUERIES, TARGETS)
    monkeypatch.setattr(backbone.family, "picture_positions", lambda image: None)
    plain = backbone.logits(QUERIES, TARGETS)
    for query, one, other in zip(QUERIES, held, plain, strict=True):
        cut = query.image is not None and backbone.family.picture_tokens(query.image) > 1
        assert torch.allclose(one, other, atol=1e-3) != cut


def test_type_ids_are_not_missed() -> None:
    """The whole model reads another input without them, and does not say so; nothing here needs them."""
    backbone = tiny_backbone("qwen2.5-vl")
    given = hf_inputs(backbone, QUERIES[1])
    del given["mm_token_type_ids"]
    with torch.no_grad():
        wrong = backbone.model(**given).logits[0, -1]
    (own,) = backbone.logits(QUERIES[1:2], [""])
    assert torch.allclose(own[0], hf_logits(backbone, QUERIES[1])[-1], atol=1e-4)
    assert not torch.allclose(own[0], wrong, atol=1e-3)


def test_what_inner_layers_see_is_added_in_every_pass() -> None:
    backbone = tiny_backbone("qwen3-vl")
    batch = backbone._batch(rows_of(backbone))
    seen = batch.kinds["visual_pos_masks"].bool()
    count = sum(backbone.family.picture_tokens(query.image) for query in QUERIES if query.image)
    assert [own.shape for own in batch.added] == [(count, 32)] * 2 and int(seen.sum()) == count
    bare = replace(batch, added=())
    with torch.no_grad():
        held, without = (backbone.family.run(own, keep=4) for own in (batch, bare))
    for i, query in enumerate(QUERIES):
        assert torch.equal(held[i], without[i]) == (query.image is None)
    module = backbone.anatomy.ffn(1)[-1]
    zero = WeightDelta(module, torch.zeros_like(backbone.weight(module)))
    text = Context("New Fact: name the thing in the picture. a lighthouse\nPrompt: what is this? a ball\n\n")
    for edit in (Edit((zero,)), Edit((text,))):  # replayed from a layer; gone on with from a beginning
        view = backbone.edited(edit)
        for _ in range(2):
            read = view.read(QUERIES, TARGETS, 6)
            for query, target, (answer, forced) in zip(QUERIES, TARGETS, read, strict=True):
                asked = Query(view.context + query.prompt, query.image)
                ids = backbone.answer_ids(target)
                plain = hf_logits(backbone, asked, ids)[-len(ids) - 1 : -1].log_softmax(-1)
                wanted = plain[range(len(ids)), list(ids)].tolist()
                assert forced.logprobs == pytest.approx(wanted, abs=1e-4)
                assert [answer] == backbone.answer([asked], 6)
        assert len(backbone._passes.kept)
        backbone._passes.kept.clear()


def test_an_edit_of_an_inner_merger_is_seen_in_what_it_adds() -> None:
    backbone = tiny_backbone("qwen3-vl")
    before = backbone.logits(QUERIES, TARGETS)
    held = backbone._visual(PICTURES[:1])[PICTURES[0].digest]
    for level in (0, 1):
        item = delta_for(backbone, f"model.visual.deepstack_merger_list.{level}.linear_fc2")
        view = backbone.edited(Edit((item,)))
        with torch.no_grad(), view._acting():
            seen = view._visual(PICTURES[:1])[PICTURES[0].digest]
        assert torch.equal(seen.tokens, held.tokens)
        same = [torch.equal(*pair) for pair in zip(seen.added, held.added, strict=True)]
        assert same == [level != 0, level != 1]
        # what is added after the last layer no word reads any more
        for query, one, other in zip(QUERIES, before, view.logits(QUERIES, TARGETS), strict=True):
            assert torch.allclose(one, other, atol=1e-4) == (query.image is None or level == 1)


# ---- pictures and parts that do not fit


def test_a_picture_that_is_far_too_narrow_is_named(backbone: Backbone) -> None:
    image = tiny_picture(0, 1000, 4)
    with pytest.raises(BenchError, match=rf"picture {image.digest[:12]}: .*aspect ratio.*; leave it out"):
        backbone.answer([Query("what is this?", image)])


@pytest.mark.parametrize("name", ["patch_size", "merge_size", "temporal_patch_size"])
def test_a_processor_of_another_model_is_refused(backbone: Backbone, name: str) -> None:
    other = tiny_image_processor("qwen2-vl")
    setattr(other, name, 4)
    with pytest.raises(BenchError, match=rf"picture processor's {name} is 4, but .* is [28]; take"):
        Backbone("x", backbone.model, backbone.tokenizer, other)


def test_a_picture_that_is_cut_otherwise_is_refused(backbone: Backbone) -> None:
    given = backbone.image_processor

    def cut(**options: Any) -> dict[str, Any]:
        found = dict(given(**options))
        return found | {"image_grid_thw": found["image_grid_thw"].flip(-1)}

    backbone.family.image_processor = type(
        "Other",
        (),
        {"__call__": lambda _, **options: cut(**options), "__getattr__": lambda _, n: getattr(given, n)},
    )()
    with pytest.raises(BenchError, match=r"is cut into \[8, 4, 1\] patches, not \[1, 4, 8\]"):
        backbone.visual([tiny_picture(0, 64, 32)])


def test_pictures_are_taken_as_they_are_where_nothing_is_resized(backbone: Backbone) -> None:
    backbone.image_processor.do_resize = False
    image = tiny_picture(1, 112, 64)  # 28 tokens; resized it would have 12 at most
    assert backbone.family.picture_tokens(image) == len(backbone.visual([image])[0]) == 28


# ---- checkpoints as they are published


def test_the_names_of_published_weights_are_read(tmp_path: Path) -> None:
    """The first files have the text model at `model` and the vision part beside it."""
    backbone = tiny_backbone("qwen2.5-vl")
    write(backbone, tmp_path)
    held = load_file(tmp_path / "model.safetensors")
    named = {
        name.replace("model.language_model.", "model.").replace("model.visual.", "visual."): own
        for name, own in held.items()
    }
    assert any(name.startswith("visual.merger.") for name in named) and "model.norm.weight" in named
    save_file(named, tmp_path / "model.safetensors", {"format": "pt"})
    published = json.loads((tmp_path / "preprocessor_config.json").read_text())
    size = published.pop("size")
    published |= {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(published))
    for parameter in backbone.model.parameters():
        parameter.data = parameter.data.half().float()
    read = Backbone.load(tmp_path, name="x")
    assert read.answer(QUERIES, 6) == backbone.answer(QUERIES, 6)


def test_a_picture_is_decoded_once_for_its_size() -> None:
    opened: list[int] = []
    data = PICTURES[1].bytes()
    image = ImageRef(PICTURES[1].digest, lambda: opened.append(1) or data)  # type: ignore[func-returns-value]
    backbone = tiny_backbone("qwen2-vl")
    backbone.input_lengths([Query("what is this?", image)] * 5)
    assert len(opened) == 1
    backbone.answer([Query("what is this?", image)] * 3, 1)
    assert len(opened) == 2
