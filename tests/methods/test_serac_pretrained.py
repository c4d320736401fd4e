"""SERAC with published parts: random ones of their kinds, small, in folders as they are published."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import (
    AutoTokenizer,
    DistilBertConfig,
    DistilBertModel,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from methods.serac import demand as demands
from methods.serac import pretrained
from methods.serac.demand import PUBLISHED, published
from methods.serac.editor import SERACEditor
from methods.serac.encoder import Encoder, distance_loss, train_encoder
from methods.serac.pretrained import MODEL, SCOPE, Blueprint, own_tensors, read_network
from methods.serac.reader import Memory
from methods.serac.scope import likeness
from methods.serac.writer import Writer, train_writer
from mmedit_bench.backbones.demand import demand_of
from mmedit_bench.backbones.loads import counted
from mmedit_bench.backbones.shape import Shape
from mmedit_bench.editors import Backbone, BenchError, Edit, EditRequest, Query, Route
from mmedit_bench.harness.artefacts import prepared
from mmedit_bench.harness.training import Training
from mmedit_bench.interventions import fold
from tests.backbones.test_memory import FACTOR, taken
from tests.methods.placement import Placement
from tests.methods.test_contract import REPLAY, ROOT
from tests.methods.test_demands import moments, numbers, optimisers
from tests.tiny import SENTENCES, tiny_backbone, tiny_cases

CASES = tiny_cases(10)
REQUESTS = [case.request for case in tiny_cases(3, "test")]
FAST: dict[str, Any] = {
    "scope_code": 4,
    "scope_steps": 2,
    "scope_batch": 4,
    "steps": 2,
    "batch": 4,
    "lr": 1e-3,
}
WRITERS = ("opt", "t5")
SPECIALS = ["<pad>", "</s>", "<unk>", "[CLS]", "[SEP]"]
MARKS = {
    "distilbert": {"cls_token": "[CLS]", "sep_token": "[SEP]"},
    "opt": {"bos_token": "</s>", "eos_token": "</s>"},
    "t5": {"eos_token": "</s>"},
}
FRAMES = {"distilbert": "[CLS] $A [SEP]", "opt": "</s> $A", "t5": "$A </s>"}


def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """Bytes and a few pairs, with the tokens around a text that the kind has."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    bpe.post_processor = processors.TemplateProcessing(
        single=FRAMES[kind], special_tokens=[(own, i) for i, own in enumerate(SPECIALS)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token="<pad>", unk_token="<unk>", **MARKS[kind])


def model(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "distilbert":
        return DistilBertModel(
            DistilBertConfig(
                vocab_size=320, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=96,
                initializer_range=0.2,
            )
        )  # fmt: skip
    if kind == "opt":
        return OPTForCausalLM(
            OPTConfig(
                vocab_size=320, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=32,
                max_position_embeddings=160, word_embed_proj_dim=16, init_std=0.4, pad_token_id=0,
                bos_token_id=1, eos_token_id=1,
            )
        )  # fmt: skip
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=320, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, pad_token_id=0,
            eos_token_id=1, decoder_start_token_id=0, initializer_factor=3.0,
        )
    )  # fmt: skip


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkpoint of each kind."""
    folder = tmp_path_factory.mktemp("published")
    for kind in MARKS:
        model(kind).save_pretrained(folder / kind)
        tokenizer(kind).save_pretrained(folder / kind)
    return folder


def options(shelf: Path, writer: str = "opt", **more: Any) -> dict[str, Any]:
    return FAST | {"scope_encoder": str(shelf / "distilbert"), "counterfactual": str(shelf / writer)} | more


def ready(editor: SERACEditor, backbone: Backbone) -> SERACEditor:
    editor.load(backbone, editor.train(backbone, CASES, Training(seed=0)))
    return editor


def memory(edit: Edit) -> Memory:
    (route,) = edit.interventions
    assert isinstance(route, Route) and isinstance(route.reader, Memory)
    return route.reader


def taught(shelf: Path, backbone: Backbone, training: Training | None = None, **given: Any) -> Encoder:
    """A trained scope encoder."""
    return train_encoder(
        backbone, CASES, training or Training(seed=0), source=str(shelf / "distilbert"),
        **{"code": 4, "image_key": True, "steps": 3, "lr": 1e-3, "batch": 4} | given,
    )  # fmt: skip


def written(shelf: Path, kind: str, backbone: Backbone, **given: Any) -> Writer:
    """A trained counterfactual model."""
    training = given.pop("training", Training(seed=0))
    return train_writer(
        backbone, CASES, training, source=str(shelf / kind), **{"steps": 3, "lr": 1e-3, "batch": 4} | given
    )


# ---- reading


@pytest.mark.parametrize(("kind", "option"), [("distilbert", SCOPE), ("opt", MODEL), ("t5", MODEL)])
def test_a_network_is_built_again_from_its_blueprint(shelf: Path, kind: str, option: str) -> None:
    state = torch.get_rng_state()
    network, blueprint = read_network(str(shelf / kind), option)
    assert torch.equal(state, torch.get_rng_state())
    assert not network.training
    again = Blueprint.unpacked(blueprint.packed())
    assert own_tensors(again.fresh()).keys() == own_tensors(network).keys()
    assert all(tensor.dtype == torch.float32 for tensor in own_tensors(network).values())
    text = "where does the fox live? é"
    assert again.words()(text).input_ids == AutoTokenizer.from_pretrained(shelf / kind)(text).input_ids
    assert again.words()(text).input_ids == tokenizer(kind)(text).input_ids


def test_checkpoints_are_read_as_their_repositories_lay_them_out(tmp_path: Path) -> None:
    """OPT in half precision with vocab.json and merges.txt; distilbert with vocab.txt."""
    pairs = json.loads(tokenizer("opt").backend_tokenizer.to_str())["model"]
    folder = tmp_path / "opt"
    model("opt").half().save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(pairs["vocab"]))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, pairs["merges"])]))
    described = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "</s>") | {"pad_token": "<pad>"}
    described |= {"add_bos_token": True, "tokenizer_class": "GPT2Tokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    network, blueprint = read_network(str(folder), MODEL)
    for found in (network, blueprint.fresh()):
        assert {own.dtype for own in found.parameters()} == {torch.float32}
    ids = Writer(network, blueprint).read_ids(REQUESTS[0], Query("what? " * 300))
    assert ids[0] == 1 and len(ids) == 160 - 64, "cut behind the token that begins a text"
    folder = tmp_path / "distilbert"
    model("distilbert").save_pretrained(folder)
    letters = "abcdefghijklmnopqrstuvwxyz?"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(words))
    ids = read_network(str(folder), SCOPE)[1].words()("a fox?").input_ids
    assert [words[i] for i in ids] == ["[CLS]", "a", "f", "##o", "##x", "?", "[SEP]"]


def test_a_strangers_blueprint_names_no_code() -> None:
    """It comes with edits that may be anybody's."""
    inner = {"auto_map": {"AutoModel": "x.Y"}, "_attn_implementation_internal": "them/kernel", "dim": 16}
    config = inner | {"model_type": "distilbert", "attn_implementation": "them/kernel", "text_config": inner}
    marks = {"cls_token": "[CLS]", "tokenizer_file": "/etc/passwd"}
    made = Blueprint.unpacked(Blueprint(SCOPE, config, "{}", marks).packed())
    assert made.marks == {"cls_token": "[CLS]"}
    found = pretrained.configured(made.config, SCOPE)
    assert found.dim == 16 and found.text_config == {"dim": 16}
    assert not hasattr(found, "auto_map") and found._attn_implementation != "them/kernel"
    with pytest.raises(BenchError, match="the network that an edit rests on: cannot be read"):
        Encoder.rebuilt(made.packed(), {}, 32, 4, True)  # its tokenizer is none
    for bad in (b"{", b"[]", b'{"option": "counterfactual"}'):
        with pytest.raises(BenchError, match="no blueprint"):
            Blueprint.unpacked(torch.frombuffer(bytearray(bad), dtype=torch.uint8))


def broken(shelf: Path, kind: str, folder: Path, harm: Callable[[Path], None]) -> str:
    shutil.copytree(shelf / kind, folder / "broken")
    harm(folder / "broken")
    return str(folder / "broken")


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_a_layer(folder: Path) -> None:
    held = load_file(folder / "model.safetensors")
    save_file(
        {n: t for n, t in held.items() if ".1." not in n}, folder / "model.safetensors", {"format": "pt"}
    )


def of_another_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "theirs", "auto_map": {"AutoModel": "x.Y"}}')


@pytest.mark.parametrize("option", [SCOPE, MODEL])
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (without_weights, "no model.safetensors in .*save_pretrained"),
        (without_a_layer, r"no weights for .*\(\d+ in all\)"),
        (of_another_kind, "model_type 'theirs', which transformers does not have"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json: holds a list"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "cannot be read"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_named_with_its_option(
    shelf: Path, tmp_path: Path, option: str, harm: Callable[[Path], None], said: str
) -> None:
    source = broken(shelf, "distilbert" if option == SCOPE else "t5", tmp_path, harm)
    with pytest.raises(BenchError, match=said) as caught:
        read_network(source, option)
    assert option in str(caught.value) or "config.json" in str(caught.value)
    assert source in str(caught.value) or "model_type" in str(caught.value)


def test_what_is_nowhere_is_named_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def none(name: str, **given: Any) -> str:
        asked.update(given, name=name)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", none)
    backbone = tiny_backbone("opt")
    editor = SERACEditor(counterfactual="some/model@refs/pr/3")
    with pytest.raises(BenchError, match=r"'counterfactual' names checkpoint some/model, .*hf download"):
        editor.training_settings(backbone)
    assert (asked["name"], asked["revision"]) == ("some/model", "refs/pr/3")
    assert not any(fitting in "*.bin *.pt *.py" for fitting in asked["allow_patterns"])
    with pytest.raises(BenchError, match="'scope_encoder' is '/nowhere': there is no such folder"):
        SERACEditor(scope_encoder="/nowhere").train(backbone, CASES, Training(seed=0))


def test_a_part_must_be_of_the_kind_that_its_task_needs(shelf: Path) -> None:
    backbone = tiny_backbone("opt")
    for kind in WRITERS:
        with pytest.raises(BenchError, match="'scope_encoder'"):
            train_encoder(
                backbone, CASES, Training(), source=str(shelf / kind), code=4, image_key=False, steps=1,
                lr=1e-3, batch=2,
            )  # fmt: skip
    with pytest.raises(BenchError, match="'counterfactual'"):
        written(shelf, "distilbert", backbone)


# ---- the scope encoder


def test_the_loss_is_a_cross_entropy_with_a_gradient_far_away() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(6, 3, generator=generator), torch.randn(6, 3, generator=generator)
    labels, total = [1.0, 0.0] * 3, 0.0
    for i in range(6):
        s = math.exp(-sum(float(a[i, k] - b[i, k]) ** 2 for k in range(3)))
        total -= math.log(s) if labels[i] else math.log(1 - s)
    assert distance_loss(a, b, torch.tensor(labels)).item() == pytest.approx(total / 6, rel=1e-4)
    far = (a + 30).requires_grad_()
    assert likeness(far, b).max() == 0, "the likeness says nothing here"
    distance_loss(far, b, torch.ones(6)).backward()  # type: ignore[no-untyped-call]
    assert far.grad is not None and far.grad.norm(dim=-1).min() > 1
    assert distance_loss(a, a, torch.zeros(6)).isfinite()


def test_a_code_is_the_first_tokens_state_and_the_pictures_part(shelf: Path) -> None:
    backbone = tiny_backbone("opt")
    encoder = taught(shelf, backbone)
    queries = [case.request.query for case in CASES[:3]] + [Query("what? " * 200)]
    codes = encoder.encode(backbone, queries)
    for query, code in zip(queries, codes, strict=True):
        ids = tokenizer("distilbert")(query.prompt).input_ids
        ids = ids if len(ids) <= 96 else [*ids[:95], ids[-1]]
        state = encoder.network(torch.tensor([ids])).last_hidden_state[0, 0]
        assert torch.allclose(code[:16], state, atol=1e-5)
        if query.image is None:
            assert torch.equal(code[16:], encoder.blind)  # type: ignore[arg-type]
    assert codes.shape == (4, 20) and not torch.allclose(codes[0, 16:], codes[1, 16:])
    blind = taught(shelf, backbone, image_key=False)
    assert torch.equal(
        blind.encode(backbone, queries[:1]), blind.encode(backbone, [Query(queries[0].prompt)])
    )


def test_the_encoder_is_trained_to_tell_inside_from_outside(shelf: Path) -> None:
    """Rewordings and other pictures are inside; questions to be kept and those of other edits are not."""
    backbone = tiny_backbone("opt")
    encoder = taught(shelf, backbone, steps=100, lr=5e-3, batch=10)
    right: dict[str, list[bool]] = {"inside": [], "locality": [], "others": []}
    with torch.no_grad():
        known = encoder.encode(backbone, [case.request.query for case in CASES])
        for number, case in enumerate(CASES):
            for probe in case.probes:
                close = likeness(known[number], encoder.encode(backbone, [probe.query])).item() > 0.5
                inside = not probe.kind.endswith("_locality")
                right["inside" if inside else "locality"].append(close == inside)
            right["others"] += [
                likeness(known[number], other).item() <= 0.5 for i, other in enumerate(known) if i != number
            ]
    shares = {name: sum(own) / len(own) for name, own in right.items()}
    assert min(shares.values()) > 0.8, shares


# ---- the counterfactual model


def likelihood(writer: Writer, read: list[int], answer: list[int]) -> Tensor:
    """Negative log-likelihoods of an answer's tokens, each read by itself."""
    terms = []
    for k, token in enumerate(answer):
        if writer.halves:
            out = writer.network(torch.tensor([read]), decoder_input_ids=torch.tensor([[0, *answer[:k]]]))
        else:
            out = writer.network(torch.tensor([[*read, *answer[:k]]]))
        terms.append(-out.logits[0, -1].log_softmax(-1)[token])
    return torch.stack(terms)


@pytest.mark.parametrize("kind", WRITERS)
def test_the_likelihood_is_a_plain_mean_over_answer_tokens(shelf: Path, kind: str) -> None:
    writer = Writer(*read_network(str(shelf / kind), MODEL))
    words = tokenizer(kind)
    rows = []
    for request, answer in zip(REQUESTS, ("a fox", "paris or lisbon 3", "x"), strict=True):
        text = f"{request.query.prompt} || {request.target} || name it. :"
        read = writer.read_ids(request, Query("name it."))
        assert read == words(text).input_ids
        ids = writer.answer_ids(answer)
        assert words.decode(ids[:-1]).strip() == answer and ids[-1] == words.eos_token_id
        rows.append((read, ids))
    terms = torch.cat([likelihood(writer, read, answer) for read, answer in rows])
    assert torch.allclose(writer.loss(rows, torch.device("cpu")), terms.mean(), atol=1e-4)


@torch.no_grad()
def slowly(writer: Writer, ids: list[int], end: int, most: int) -> list[int]:
    """The most likely token after all that stands there, one row by itself and nothing remembered."""
    answer = list[int]()
    while len(answer) < most:
        if writer.halves:
            out = writer.network(torch.tensor([ids]), decoder_input_ids=torch.tensor([[0, *answer]]))
        else:
            out = writer.network(torch.tensor([[*ids, *answer]]))
        token = int(out.logits[0, -1].argmax())
        if token == end:
            break
        answer.append(token)
    return answer


@pytest.mark.parametrize("kind", WRITERS)
def test_answers_are_those_of_a_plain_loop(shelf: Path, kind: str) -> None:
    backbone = tiny_backbone("opt")
    writer = written(shelf, kind, backbone, steps=30, lr=1e-2)
    asked = [(case.request, probe.query) for case in CASES[:4] for probe in case.probes[:2]]
    long = EditRequest("long", Query("what is shown here? " * 80), "a fox")
    asked.append((long, Query("where?")))
    words, said = tokenizer(kind), []
    end = words.convert_tokens_to_ids("</s>")
    for request, query in asked:
        ids = words(f"{request.query.prompt} || {request.target} || {query.prompt} :").input_ids
        if request is long:
            room = (160 if kind == "opt" else 512) - 64
            ids = [ids[0], *ids[1 - room :]] if kind == "opt" else ids[-room:]
        said.append(words.decode(slowly(writer, ids, end, 7), skip_special_tokens=True).strip())
    assert writer.answers(backbone, asked, 7) == said
    assert len(set(said)) > 1 and len({len(text) for text in said}) > 1
    assert writer.answers(backbone, []) == []


@pytest.mark.parametrize("kind", WRITERS)
def test_half_of_the_answers_are_swapped_and_said_as_read(
    shelf: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list[tuple[tuple[int, ...], tuple[int, ...]]]()
    inner = Writer.loss

    def watched(self: Writer, drawn: Any, device: torch.device) -> Tensor:
        rows.extend((tuple(read), tuple(answer)) for read, answer in drawn)
        return inner(self, drawn, device)

    monkeypatch.setattr(Writer, "loss", watched)
    writer = written(shelf, kind, tiny_backbone("opt"), steps=20, batch=10)
    words, allowed = tokenizer(kind), {}
    for case in CASES:
        for target in {other.request.target for other in CASES}:
            for probe in case.probes:
                if not probe.kind.endswith("_locality"):
                    text = f"{case.request.query.prompt} || {target} || {probe.query.prompt} :"
                    row = tuple(words(text).input_ids), tuple(writer.answer_ids(target))
                    allowed[row] = (
                        target != case.request.target, probe.query.prompt != case.request.query.prompt
                    )  # fmt: skip
    assert len(rows) == 200 and not set(rows) - allowed.keys(), "the answer that is said is the one read"
    swapped, reworded = (sum(column) / 200 for column in zip(*(allowed[row] for row in rows), strict=True))
    assert 0.35 < swapped < 0.55 and 0.2 < reworded < 0.5


@pytest.mark.parametrize("kind", ["distilbert", *WRITERS])
def test_training_moves_all_that_a_part_owns(shelf: Path, kind: str) -> None:
    backbone, training = tiny_backbone("opt"), Training(seed=0)
    part: Encoder | Writer
    if kind == "distilbert":
        part, label = taught(shelf, backbone, training, steps=40, lr=1e-3), "scope"
    else:
        part, label = written(shelf, kind, backbone, training=training, steps=40, lr=1e-3), "counterfactual"
    before = own_tensors(read_network(str(shelf / kind), SCOPE if label == "scope" else MODEL)[0])
    after = own_tensors(part.network)
    assert before.keys() == after.keys()
    still = {name for name in after if torch.equal(before[name], after[name])}
    # codes are subtracted: what is added to all of them has no gradient
    assert still <= ({"transformer.layer.1.output_layer_norm.bias"} if kind == "distilbert" else set())
    curve = [row["loss"] for row in training.curves[label]]
    assert sum(curve[-5:]) < sum(curve[:5])


class Stopped(Exception):
    pass


@pytest.mark.parametrize("kind", WRITERS)
def test_a_stopped_training_goes_on_to_the_same_bytes(shelf: Path, kind: str, tmp_path: Path) -> None:
    backbone = tiny_backbone("opt")

    def stop(label: str, done: int, total: int, values: Any) -> None:
        if done == 4:
            raise Stopped

    training = Training(0, tmp_path, report=stop, every_seconds=-1)
    with pytest.raises(Stopped):
        written(shelf, kind, backbone, training=training, steps=6)
    resumed = written(shelf, kind, backbone, training=Training(0, tmp_path, every_seconds=-1), steps=6)
    whole = written(shelf, kind, backbone, steps=6)
    found, wanted = own_tensors(resumed), own_tensors(whole)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


# ---- the editor


@pytest.mark.parametrize("writer", ["opt", "t5", "own"])
@pytest.mark.parametrize("scope", ["distilbert", "own"])
def test_each_part_may_be_published_or_own(shelf: Path, scope: str, writer: str) -> None:
    backbone = tiny_backbone("opt")
    own = {"scope_hidden": 8, "size": 16, "layers": 1, "heads": 2}
    given = FAST | own | {
        "scope_encoder": scope if scope == "own" else str(shelf / scope),
        "counterfactual": writer if writer == "own" else str(shelf / writer),
    }  # fmt: skip
    versions = backbone.versions()
    with Placement():
        editor = ready(SERACEditor(**given), backbone)
        edit = editor.edit(backbone, REQUESTS[0])
        (said,) = backbone.edited(edit).answer([REQUESTS[0].query])
    _, answering = memory(edit).networks.ready(backbone)
    assert [said] == answering.answers(backbone, [(REQUESTS[0], REQUESTS[0].query)])
    assert editor.edit(backbone, REQUESTS[0]) == edit and backbone.versions() == versions
    assert not any(
        p.requires_grad for part in memory(edit).networks.ready(backbone) for p in part.parameters()
    )
    assert edit.nbytes < 1000 and edit.shared_nbytes > 10_000


@pytest.mark.parametrize("writer", WRITERS)
def test_weights_are_held_once(shelf: Path, writer: str) -> None:
    backbone = tiny_backbone("opt")
    editor = ready(SERACEditor(**options(shelf, writer)), backbone)
    networks = memory(editor.edit(backbone, REQUESTS[0])).networks
    held = {tensor.data_ptr() for tensor in networks.weights.tensors.values()}
    for part in networks.ready(backbone):
        assert {parameter.data_ptr() for parameter in part.parameters()} <= held
    table = {name for name, tensor in networks.weights.tensors.items() if tensor.shape == (320, 16)}
    assert len(table) == 2, "one table of words for each part: heads are tied"


def test_the_nearest_edit_of_a_sequence_answers(shelf: Path) -> None:
    backbone = tiny_backbone("opt")
    editor = ready(SERACEditor(**options(shelf)), backbone)
    view = backbone
    for request in REQUESTS:
        view = view.edited(editor.edit(view, request))
    (folded,) = fold(view.edits)
    held = memory(Edit(folded.parts))  # type: ignore[attr-defined]
    assert [entry.target for entry in held.entries] == [request.target for request in REQUESTS]
    _, answering = held.networks.ready(backbone)
    for request in REQUESTS:
        found = held.nearest(backbone, request.query)
        assert found is not None and found.id == request.id
        assert view.answer([request.query]) == answering.answers(backbone, [(request, request.query)])
    with torch.no_grad():
        for entry in held.entries:
            entry.code.add_(100)
    queries = [request.query for request in REQUESTS]
    assert view.answer(queries, 5) == backbone.answer(queries, 5), "out of every scope"


def test_saved_edits_answer_in_another_process_without_checkpoints_or_editor(
    shelf: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "shelf"
    shutil.copytree(shelf, copy)
    asked = [case.request.query for case in tiny_cases(4, "test")]
    expected, folder = {}, tmp_path / "edits"
    for writer, family in zip(WRITERS, ("opt", "llama"), strict=True):
        backbone = tiny_backbone(family, max_positions=1024)
        editor = ready(SERACEditor(**options(copy, writer, steps=20, lr=1e-2)), backbone)
        view, answers = backbone, []
        for number, request in enumerate(REQUESTS):
            edit = editor.edit(view, request)
            view = view.edited(edit)
            edit.save(folder / f"serac@{family}@{number}.safetensors")
            answers.append(view.answer(asked, 6))
        expected[f"serac@{family}"] = answers
    shutil.rmtree(copy)
    assert len(list((folder / "shared").iterdir())) == 2
    assert all(path.stat().st_size < 8000 for path in folder.glob("*.safetensors"))
    done = subprocess.run(
        [sys.executable, "-c", REPLAY, folder, "readers"],
        capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


def test_what_is_learned_follows_the_checkpoints_content_and_not_its_place(
    shelf: Path, tmp_path: Path
) -> None:
    backbone = tiny_backbone("opt")
    first = prepared(SERACEditor(**options(shelf)), backbone, CASES, seed=0, folder=tmp_path / "kept")
    copy = tmp_path / "elsewhere"
    shutil.copytree(shelf, copy)
    moved = SERACEditor(**options(copy))
    second = prepared(moved, backbone, CASES, seed=0, folder=tmp_path / "kept")
    assert first.new and not second.new
    assert memory(moved.edit(backbone, REQUESTS[0])).entries[0].target == REQUESTS[0].target
    path = copy / "opt" / "model.safetensors"
    changed = load_file(path)
    name = next(iter(changed))
    save_file(changed | {name: changed[name] + 1}, path, {"format": "pt"})
    settings = SERACEditor(**options(copy)).training_settings(backbone)
    assert settings[MODEL] != moved.training_settings(tiny_backbone("opt"))[SCOPE]
    assert settings[SCOPE] == SERACEditor(**options(shelf)).training_settings(backbone)[SCOPE]
    assert settings[MODEL] != SERACEditor(**options(shelf)).training_settings(backbone)[MODEL]
    plain = SERACEditor().training_settings(backbone)
    assert plain == SERACEditor(scope_encoder="", counterfactual="own").training_settings(backbone)
    assert not {SCOPE, MODEL} & plain.keys(), "own parts are known by the names they always had"


def test_what_was_learned_elsewhere_is_refused(shelf: Path) -> None:
    backbone = tiny_backbone("opt")
    editor = SERACEditor(**options(shelf))
    tensors = dict(editor.train(backbone, CASES, Training(seed=0)))
    name = next(name for name in tensors if name.startswith("model.network"))
    with pytest.raises(BenchError, match="does not fit the network at network"):
        editor.load(backbone, tensors | {name: tensors[name][:1]})


# ---- full size


def test_published_backbones_get_the_published_parts() -> None:
    settings = SERACEditor().settings("blip2-opt-2.7b")  # type: ignore[arg-type]
    assert (settings.scope_encoder, settings.counterfactual) == tuple(PUBLISHED)
    assert (settings.scope_lr, settings.lr) == (1e-5, 1e-5)
    assert SERACEditor().settings("blip2-opt-mini").counterfactual == "own"  # type: ignore[arg-type]


def test_published_parts_have_their_known_sizes(tmp_path: Path) -> None:
    assert published("distilbert/distilbert-base-cased", SCOPE).numbers == 65_190_912
    assert published("facebook/opt-125m", MODEL).numbers == 125_239_296
    (tmp_path / "config.json").write_text(json.dumps(T5Config().to_dict()))
    (tmp_path / "model.safetensors").touch()
    t5 = published(str(tmp_path), MODEL)
    assert (t5.numbers, t5.layers, t5.nbytes) == (60_506_624, 12, 4 * 60_506_624)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("image_key", [True, False])
def test_training_and_edits_are_as_large_as_told(
    shelf: Path, writer: str, image_key: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = tiny_backbone("opt")
    shape = Shape.of(backbone.name, backbone.model)
    editor = SERACEditor(**options(shelf, writer, image_key=image_key))
    case = tiny_cases(1, "test")[0]
    demand = demand_of(editor, shape, counted(backbone, CASES, [case]))
    assert demand is not None
    with optimisers(monkeypatch) as made:
        found = editor.train(backbone, CASES, Training(seed=0))
    assert numbers(made) == sum(own.numbers for own in demand.learned)
    assert moments(made) == 2 * numbers(made)
    learned = {name: own for name, own in found.items() if not name.endswith("_blueprint")}
    assert demand.held == sum(own.nbytes for own in learned.values())
    editor.load(backbone, found)
    assert editor.edit(backbone, case.request).nbytes == demand.edit.nbytes
    assert all(fit.beside > 0 and fit.products > 0 for fit in demand.learned) and demand.asking > 0


@pytest.mark.parametrize("kind", ["distilbert", *WRITERS])
def test_a_training_takes_what_is_told(shelf: Path, kind: str) -> None:
    backbone = tiny_backbone("opt")
    shape = Shape.of(backbone.name, backbone.model)
    load = counted(backbone, CASES, CASES[:1])
    given = SERACEditor(**options(shelf, "opt" if kind == "distilbert" else kind)).settings(backbone)
    told = demands.encoder(given, shape, load) if kind == "distilbert" else demands.writer(given, load)
    for case in CASES:
        backbone.visual([query.image for query in (p.query for p in case.probes) if query.image])
    read_network(str(shelf / kind), SCOPE if kind == "distilbert" else MODEL)  # imports
    if kind == "distilbert":
        most = taken(lambda: taught(shelf, backbone, steps=1))
    else:
        most = taken(lambda: written(shelf, kind, backbone, steps=1))
    assert 1 / FACTOR < (told.fit.nbytes + told.fit.beside) / most < FACTOR
