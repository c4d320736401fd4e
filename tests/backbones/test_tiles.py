"""Pictures of several sizes, which are cut into other tiles, against the families' own processors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmedit_bench.backbones.base import Backbone
from mmedit_bench.backbones.families import family_of
from mmedit_bench.backbones.pictures import Pictures
from mmedit_bench.backbones.published import PUBLISHED
from mmedit_bench.backbones.visual import Visual
from mmedit_bench.cases import ImageRef, Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import Context, Edit
from tests.backbones.published import hf_inputs, hf_logits
from tests.backbones.published_towers import tower_processor
from tests.backbones.rebuilt import delta_for, vision
from tests.tiny import same_readings, tiny_backbone, tiny_picture

TILED = ("llava_next", "llava_onevision", "idefics3", "smolvlm", "internvl")
SIZES = ((32, 32), (70, 30), (24, 80), (50, 45), (16, 16), (9, 13), (100, 20))
PICTURES = [tiny_picture(i, *size) for i, size in enumerate(SIZES)]
PROMPTS = ("what is this?", "name the colour of the ball", "where does the animal live? africa or asia?")
QUERIES = [Query(PROMPTS[i % 3], picture) for i, picture in enumerate([*PICTURES, None])]
TARGETS = [("paris", "a red fox", "green, blue")[i % 3] for i in range(len(QUERIES))]


@pytest.fixture(params=TILED)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return tiny_backbone(request.param)


def ids_of(backbone: Backbone, query: Query, target: str) -> list[int]:
    """An input with a placeholder for each visual token, as the whole model reads it."""
    row = backbone._encoder.row(query, target=target)
    ids, each = [*row.ids, *row.answer], 0
    if query.image:
        each = backbone.family.picture_tokens(query.image) // len(row.places)
    for place in reversed(row.places):
        ids[place:place] = [backbone.model.config.image_token_id] * each
    assert len(ids) == row.length
    return ids


def test_inputs_and_logits_are_those_of_the_whole_model_and_its_processor(backbone: Backbone) -> None:
    lengths = set()
    logits = backbone.logits(QUERIES, TARGETS)
    for query, target, own in zip(QUERIES, TARGETS, logits, strict=True):
        answer = backbone.answer_ids(target)
        given = hf_inputs(backbone, query, answer)
        assert ids_of(backbone, query, target) == given["input_ids"][0].tolist()
        plain = hf_logits(backbone, query, answer)[-len(answer) - 1 : -1]
        assert torch.allclose(own, plain, atol=1e-4)
        if query.image:
            lengths.add(backbone.family.picture_tokens(query.image))
    assert len(lengths) > 1, "pictures of other sizes have other numbers of tokens"


def test_greedy_answers_are_those_of_generate(backbone: Backbone) -> None:
    answers = backbone.answer(QUERIES, 8)
    assert len(set(answers)) > 3
    for query, answer in zip(QUERIES, answers, strict=True):
        given = hf_inputs(backbone, query)
        with torch.no_grad():
            written = backbone.model.generate(
                **given, max_new_tokens=8, do_sample=False, eos_token_id=backbone.tokenizer.eos_token_id
            )
        (ids,) = written[:, given["input_ids"].shape[1] :].tolist()
        assert answer == backbone.tokenizer.decode(ids, skip_special_tokens=True).strip()


def test_a_row_does_not_hang_on_the_pictures_beside_it(backbone: Backbone) -> None:
    answers, readings = backbone.answer(QUERIES, 8), backbone.score(QUERIES, TARGETS)
    for size in (1, 3):
        other = tiny_backbone(backbone.name.removeprefix("tiny-"))
        other.batch_size = size
        assert other.answer(QUERIES[::-1], 8) == answers[::-1]
        assert same_readings(other.score(QUERIES[::-1], TARGETS[::-1])[::-1], readings)


def test_the_tower_reads_every_tile(backbone: Backbone) -> None:
    """A change in any part of a picture changes its tokens, at the places where that part stands."""
    plain = tiny_picture(0, 64, 32)
    tokens = backbone.visual([plain])[0]
    for left in (0, 48):  # at an end: what is near the middle is smoothed into both halves
        image = plain.open()
        image.paste((255, 255, 255), (left, 0, left + 16, 32))
        other = _picture(image)
        assert backbone.family.layout("what?", other) == backbone.family.layout("what?", plain)
        changed = (backbone.visual([other])[0] - tokens).abs().amax(-1) > 1e-6
        assert changed.any() and not changed.all()


def _picture(image: Any) -> ImageRef:
    import hashlib
    import io

    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    return ImageRef(hashlib.sha256(data).hexdigest(), lambda: data)


def test_a_context_is_read_once_with_each_picture(backbone: Backbone) -> None:
    facts = "New Fact: name the thing in the picture. a lighthouse\nPrompt: what is this? a red fox\n\n"
    view = backbone.edited(Edit((Context(facts),)))
    # an edit that changes nothing, but acts: the context is read with every question
    plain = view.edited(Edit((delta_for(backbone, backbone.anatomy.ffn(0)[-1], scale=0),)))
    wanted = plain.read(QUERIES, TARGETS, 8)
    for _ in range(2):
        found = view.read(QUERIES, TARGETS, 8)
        assert [text for text, _ in found] == [text for text, _ in wanted]
        assert same_readings([own for _, own in found], [own for _, own in wanted])


def test_an_edited_projector_is_seen_in_every_tile(backbone: Backbone) -> None:
    edit = Edit((delta_for(backbone, vision(backbone)[0]),))
    before = backbone.logits(QUERIES, TARGETS)
    after = backbone.edited(edit).logits(QUERIES, TARGETS)
    for query, one, two in zip(QUERIES, before, after, strict=True):
        assert torch.allclose(one, two, atol=1e-4) == (query.image is None)
    assert all(torch.equal(*pair) for pair in zip(backbone.logits(QUERIES, TARGETS), before, strict=True))


def test_visual_tokens_are_kept_by_their_bytes(backbone: Backbone) -> None:
    tokens = [tokens for picture in PICTURES for tokens in backbone.visual([picture])]
    room = sum(own.nbytes for own in tokens[-2:])
    pictures = Pictures(backbone.family, limit=room)
    computed: list[str] = []
    compute = pictures.compute

    def counting(image: ImageRef) -> Visual:
        computed.append(image.digest)
        return compute(image)

    pictures.compute = counting  # type: ignore[method-assign]
    for _ in range(2):
        found = pictures.seen(PICTURES)
        assert all(
            torch.equal(found[image.digest].tokens, own) for image, own in zip(PICTURES, tokens, strict=True)
        )
        assert pictures._kept.nbytes <= room
    assert len(computed) == 2 * len(PICTURES)
    pictures.seen(PICTURES[-2:])
    assert len(computed) == 2 * len(PICTURES), "the latest two are still there"


def test_a_picture_that_is_not_cut_stands_at_one_place() -> None:
    tiny = tiny_backbone("smolvlm")
    sizes: dict[str, Any] = {"size": {"longest_edge": 32}, "max_image_size": {"longest_edge": 16}}
    whole = type(tiny.image_processor)(do_image_splitting=False, **sizes)
    backbone = Backbone("tiny-smolvlm", tiny.model, tiny.tokenizer, whole)
    for query, target in zip(QUERIES, TARGETS, strict=True):
        answer = backbone.answer_ids(target)
        assert ids_of(backbone, query, target) == hf_inputs(backbone, query, answer)["input_ids"][0].tolist()
        plain = hf_logits(backbone, query, answer)[-len(answer) - 1 : -1]
        assert torch.allclose(backbone.logits([query], [target])[0], plain, atol=1e-4)
        assert len(backbone._encoder.row(query).places) == (query.image is not None)


# ---- what would change answers without an error


@pytest.mark.parametrize("family", ["llava_next", "llava_onevision"])
def test_other_crops_than_the_model_wants_are_refused(family: str) -> None:
    backbone = tiny_backbone(family)
    backbone.image_processor.image_grid_pinpoints = [[48, 48]]
    with pytest.raises(BenchError, match="makes 10 pictures of one, the model wants 5"):
        backbone.answer(QUERIES[:1])


def test_internvl_cuts_a_picture_whatever_the_processors_own_setting_says() -> None:
    backbone = tiny_backbone("internvl")
    assert not backbone.image_processor.crop_to_patches
    assert backbone.family.picture_tokens(PICTURES[0]) == 4 * 5
    backbone.family.picture_options = {"crop_to_patches": False}
    backbone.family._measured.clear()  # type: ignore[attr-defined]
    assert backbone.family.picture_tokens(PICTURES[0]) == 4


def test_a_tile_of_another_size_than_the_tower_wants_is_refused() -> None:
    backbone = tiny_backbone("smolvlm")
    backbone.model.config.vision_config.image_size = 32
    with pytest.raises(BenchError, match="gave 20 visual tokens, not 80"):
        backbone.answer(QUERIES[:1])


def test_rows_and_columns_are_the_cut_ones() -> None:
    """Where the longest edge is no multiple of a tile, a processor counts otherwise than it cuts."""
    backbone = tiny_backbone("smolvlm")
    processor = type(backbone.image_processor)(size={"longest_edge": 40}, max_image_size={"longest_edge": 16})
    backbone = Backbone("x", backbone.model, backbone.tokenizer, processor)
    picture = tiny_picture(0, 40, 31)
    assert processor.get_number_of_image_patches(31, 40) == (7, 2, 3)
    assert backbone.family.picture_tokens(picture) == 4 * (3 * 3 + 1)
    assert backbone.answer([Query("what is this?", picture)], 2)


# ---- at full size


FULL = {
    "llava-onevision-7b": ("llava_onevision", {"size": {"height": 384, "width": 384}}, 729),
    "smolvlm-2.2b": (
        "smolvlm", {"size": {"longest_edge": 1536}, "max_image_size": {"longest_edge": 384}}, 81
    ),
    "internvl3-8b": ("internvl", {"size": {"height": 448, "width": 448}}, 256),
}  # fmt: skip
"""Kind, settings of the published picture processor, and tokens of a tile."""


def full(name: str) -> tuple[Any, Any]:
    """The adapter and the own processor of a published backbone, whose text model is left small."""
    kind, settings, _ = FULL[name]
    tiny = tiny_backbone(kind)
    config = PUBLISHED[name].config()
    config.text_config, config.image_token_id = (
        tiny.model.config.text_config,
        tiny.model.config.image_token_id,
    )
    with torch.device("meta"):
        model = type(tiny.model)(config)
    parts = (model, tiny.tokenizer, type(tiny.image_processor)(**settings))
    return family_of(model)(*parts, "{prompt}"), tower_processor(*parts)


@pytest.mark.parametrize("name", FULL)
def test_published_sizes_give_the_inputs_of_the_own_processor(name: str) -> None:
    family, processor = full(name)
    for size in ((640, 480), (300, 900), (80, 60)):
        picture = tiny_picture(0, *size)
        text = processor.tokenizer.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what is this?"}]}],
            tokenize=False, add_generation_prompt=True,
        )  # fmt: skip
        bos = processor.tokenizer.bos_token
        options = {"add_special_tokens": not text.startswith(bos), "return_tensors": "pt"}
        given = processor(text=[text], images=[picture.open()], **options)
        ids, places = family.layout("what is this?", picture)
        each = family.picture_tokens(picture) // len(places)
        assert each % FULL[name][2] == 0 or name == "llava-onevision-7b"
        whole = list(ids)
        for place in reversed(places):
            whole[place:place] = [family.picture_id] * each
        assert given["input_ids"][0].tolist() == whole
        assert family.pixels(picture)["pixel_values"].equal(given["pixel_values"])


def test_onevision_counts_what_its_processor_counts_for_pictures_of_any_size() -> None:
    family, processor = full("llava-onevision-7b")
    sizes = [(w, h) for w in (50, 333, 384, 500, 769, 1200, 2500) for h in (60, 384, 480, 901, 2304)]
    wanted = processor._get_num_multimodal_tokens(image_sizes=[(h, w) for w, h in sizes])["num_image_tokens"]
    assert [family.picture_tokens(tiny_picture(0, *size)) for size in sizes] == wanted
    assert max(wanted) > 7000
