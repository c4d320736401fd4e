"""A backbone as lm-eval sees it, against plain loops over the Hugging Face model, one text at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmedit_bench.backbones.base import LONG, Backbone
from mmedit_bench.cases import Query
from mmedit_bench.errors import BenchError
from mmedit_bench.interventions import ConstantAnswer, Context, Edit, Intervention, Route, WeightDelta
from mmedit_bench.interventions.base import Layout, submodule
from mmedit_bench.retention import model
from mmedit_bench.retention.model import FLOOR, BackboneLM
from tests.tiny import CHAT, FAMILIES, KNOWN, tiny_backbone

PAIRS = (
    ("what is this?", " a red fox"),
    ("which city is the capital of this country, paris or lisbon?", " paris"),
    ("name the colour: ", "green, blue"),
    ("", "on which continent does the animal live"),
    ("where?", " asia or europe? name the animal in the picture. asia"),
    ("what is this?", " a lighthouse"),
)
TEXT = "on which continent does the animal live? africa, asia, europe or none: name the animal in it. a fox"


def asked(*pairs: tuple[Any, ...]) -> list[Any]:
    return [SimpleNamespace(args=pair) for pair in pairs]


@dataclass(frozen=True, eq=False)
class LastTokenGate(Intervention):
    """Adds to an attention's output everywhere, as much as the input's last token asks for."""

    layer: int
    push: Tensor

    def modules(self, layout: Layout) -> tuple[str, ...]:
        return (f"{layout.attention(self.layer)}.{layout.attention_linears[3]}",)

    def attach(self, model: nn.Module, layout: Layout) -> Iterator[RemovableHandle]:
        def gated(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return output + output[:, -1:].tanh() * self.push

        yield submodule(model, self.modules(layout)[0]).register_forward_hook(gated)


def gate(backbone: Backbone) -> LastTokenGate:
    return LastTokenGate(0, torch.linspace(-2, 2, 32))


def head(backbone: Backbone, seed: int = 0) -> WeightDelta:
    """A change of the output head alone, which may be tied to the embeddings."""
    (path,) = (name for name, module in backbone.model.named_modules() if name.endswith("lm_head"))
    shape = backbone.weight(path).shape
    return WeightDelta(path, torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 0.5)


def split(backbone: Backbone, context: str, continuation: str) -> tuple[list[int], list[int]]:
    def ids(text: str) -> list[int]:
        return list(backbone.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    bare = context.rstrip()
    whole = ids(context + continuation)
    known = len(ids(bare))
    # not every tokenizer has something to begin with; before nothing at all stands an end token then
    start = backbone.text_start or (() if bare else (backbone.tokenizer.eos_token_id,))
    known = max(known, 1 - len(start))
    return [*start, *whole[:known]], whole[known:]


def plain_logprobs(backbone: Backbone, ids: list[int]) -> Tensor:
    """Log-probabilities after each token of one unpadded text, by the model itself and no edit."""
    row = torch.tensor([ids])
    with torch.no_grad():
        if backbone.family.runs is backbone.model:
            more = {"token_type_ids": torch.zeros_like(row)} if "gemma" in backbone.name else {}
            logits = backbone.model(input_ids=row, **more).logits
        else:
            logits = backbone.model.language_model(input_ids=row).logits
    return logits[0].float().log_softmax(-1)


def slow(backbone: Backbone, context: str, continuation: str) -> tuple[float, bool]:
    before, after = split(backbone, context, continuation)
    logprobs = plain_logprobs(backbone, [*before, *after[:-1]])[-len(after) :]
    total = sum(float(logprobs[i, token]) for i, token in enumerate(after))
    return total, logprobs.argmax(-1).tolist() == after


@pytest.mark.parametrize("family", KNOWN)
def test_loglikelihood_is_that_of_the_bare_model(family: str) -> None:
    backbone = tiny_backbone(family, template="never seen {prompt}")
    found = BackboneLM(backbone).loglikelihood(asked(*PAIRS))
    for pair, (value, greedy) in zip(PAIRS, found, strict=True):
        wanted = slow(backbone, *pair)
        assert value == pytest.approx(wanted[0], abs=2e-3)
        assert greedy == wanted[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_greedy_is_said_so(family: str) -> None:
    backbone = tiny_backbone(family)
    lm = BackboneLM(backbone)
    (written,) = lm.generate_until(asked(("what is this?", {"until": [], "max_gen_toks": 4})))
    pairs = ("what is this?", written), ("what is this?", " green, blue, yellow")
    ((_, greedy), (_, other)) = lm.loglikelihood(asked(*pairs))
    assert greedy
    assert not other


@pytest.mark.parametrize("make", [gate, head])
@pytest.mark.parametrize("family", FAMILIES)
def test_neither_padding_nor_company_changes_an_edited_answer(family: str, make: Any) -> None:
    backbone = tiny_backbone(family)
    edited = backbone.edited(Edit((make(backbone),)))
    together = BackboneLM(edited).loglikelihood(asked(*PAIRS))
    for pair, (value, greedy) in zip(PAIRS, together, strict=True):
        ((alone, same),) = BackboneLM(edited).loglikelihood(asked(pair))
        assert value == pytest.approx(alone, abs=1e-3)
        assert greedy == same
        with_edit = plainly_edited(backbone, make(backbone), *pair)
        assert value == pytest.approx(with_edit, abs=2e-3)
    before = BackboneLM(backbone).loglikelihood(asked(*PAIRS))
    assert max(abs(a - b) for (a, _), (b, _) in zip(before, together, strict=True)) > 0.5


def plainly_edited(backbone: Backbone, item: Any, context: str, continuation: str) -> float:
    """The same by hand: one text, no padding, the change written out on the model's own modules."""
    before, after = split(backbone, context, continuation)
    ids = [*before, *after[:-1]]
    if isinstance(item, WeightDelta):
        states = []
        module = submodule(backbone.model, item.module)
        handle = module.register_forward_pre_hook(lambda _, args: states.append(args[0]))
        plain_logprobs(backbone, ids)
        handle.remove()
        logprobs = (states[0][0] @ (backbone.weight(item.module) + item.delta).T).log_softmax(-1)
    else:
        (handle,) = item.attach(backbone.model, backbone.anatomy)
        logprobs = plain_logprobs(backbone, ids)
        handle.remove()
    return sum(float(logprobs[i - len(after), token]) for i, token in enumerate(after))


@pytest.mark.parametrize("family", ["opt", "qwen2", "llava"])
def test_an_edited_head_survives_whether_tied_or_not(family: str) -> None:
    """A wrapper that ties weights anew would answer as before."""
    backbone = tiny_backbone(family)
    pairs = asked(("what is this?", " paris"), ("what is this?", " lisbon"))
    values = [value for value, _ in BackboneLM(backbone).loglikelihood(pairs)]
    loser = min(range(2), key=values.__getitem__)
    _, after = split(backbone, *pairs[loser].args)
    item = head(backbone)
    delta = torch.zeros_like(item.delta)
    inputs = backbone.states([Query("what is this?")], ["x"], [item.module])[0][item.module]
    for place, token in enumerate(after):
        state = inputs[min(place, len(inputs) - 1)]
        delta[token] += 40 * state / state.norm() ** 2
    edited = [
        v
        for v, _ in BackboneLM(backbone.edited(Edit((WeightDelta(item.module, delta),)))).loglikelihood(pairs)
    ]
    assert max(range(2), key=edited.__getitem__) == loser
    assert [v for v, _ in BackboneLM(backbone).loglikelihood(pairs)] == values


# ---- running text


def slow_rolling(backbone: Backbone, text: str, positions: int) -> float:
    """Token by token: each is predicted once, in the window it falls into; the last window is full."""
    ids = list(backbone.tokenizer(text, add_special_tokens=False)["input_ids"])
    total = 0.0
    for place, token in enumerate(ids):
        window = place // positions
        if window == 0:
            read = [backbone.tokenizer.bos_token_id, *ids[:place]]
        else:
            start = min(window * positions, len(ids) - positions)
            read = ids[start - 1 : place]
        total += float(plain_logprobs(backbone, read)[-1, token])
    return total


@pytest.mark.parametrize("positions", [512, 24, 7])
@pytest.mark.parametrize("family", FAMILIES)
def test_rolling_text_is_predicted_token_by_token(family: str, positions: int) -> None:
    backbone = tiny_backbone(family, max_positions=positions)
    texts = (TEXT, "a red fox", "x")
    found = BackboneLM(backbone).loglikelihood_rolling(asked(*((text,) for text in texts)))
    for text, value in zip(texts, found, strict=True):
        assert value == pytest.approx(slow_rolling(backbone, text, positions), abs=2e-2)


def test_a_long_continuation_is_scored_beside_short_ones() -> None:
    backbone = tiny_backbone("opt", max_positions=512)
    text = " " + "a red fox, " * 100
    assert len(backbone.text_ids(text)) > LONG
    found = BackboneLM(backbone).loglikelihood(
        asked(("what?", " paris"), ("what?", text), ("what?", " asia"))
    )
    for (value, _), continuation in zip(found, (" paris", text, " asia"), strict=True):
        assert value == pytest.approx(slow(backbone, "what?", continuation)[0], rel=1e-4)


def test_a_text_too_long_loses_its_beginning() -> None:
    backbone = tiny_backbone("opt", max_positions=16)
    before, after = split(backbone, TEXT, " a red fox")
    ((value, _),) = BackboneLM(backbone).loglikelihood(asked((TEXT, " a red fox")))
    kept = [*before, *after[:-1]][-16:]
    logprobs = plain_logprobs(backbone, kept)[-len(after) :]
    assert value == pytest.approx(sum(float(logprobs[i, t]) for i, t in enumerate(after)), abs=2e-3)
    with pytest.raises(BenchError, match="leave the task out"):
        BackboneLM(backbone).loglikelihood(asked(("what?", TEXT)))


# ---- what edits bring


@pytest.mark.parametrize("family", ["opt", "llava"])
def test_a_context_stands_before_every_text(family: str) -> None:
    backbone = tiny_backbone(family)
    fact = "New Fact: what is this? a lighthouse\nPrompt: "
    edited = BackboneLM(backbone.edited(Edit((Context(fact),))))
    pairs = [pair for pair in PAIRS if pair[0]]
    found = edited.loglikelihood(asked(*pairs))
    spelled = BackboneLM(backbone).loglikelihood(asked(*((fact + a, b) for a, b in pairs)))
    assert [value for value, _ in found] == [value for value, _ in spelled]
    bare = fact.rstrip()
    edited = BackboneLM(backbone.edited(Edit((Context(bare),))))
    rolled = edited.loglikelihood_rolling(asked((" a red fox",)))
    ((wanted, _),) = BackboneLM(backbone).loglikelihood(asked((bare, " a red fox")))
    assert rolled == pytest.approx([wanted], abs=1e-3)


def test_a_context_is_never_cut() -> None:
    backbone = tiny_backbone("opt", max_positions=40)
    edited = BackboneLM(backbone.edited(Edit((Context("name the colour of the ball. " * 2),))))
    with pytest.raises(BenchError, match="no part of the context is left out"):
        edited.loglikelihood(asked((TEXT, " a fox")))
    with pytest.raises(BenchError, match="fills the backbone's positions"):
        full = Edit((Context("name the colour of the ball. " * 9),))
        BackboneLM(backbone.edited(full)).loglikelihood_rolling(asked(("a fox",)))
    assert len(edited.loglikelihood_rolling(asked((TEXT,)))) == 1


def test_a_route_answers_for_certain() -> None:
    backbone = tiny_backbone("opt")
    reader = ConstantAnswer("paris", lambda query: "capital" in query.prompt)
    lm = BackboneLM(backbone.edited(Edit((Route(reader),))))
    question = "what is the capital?"
    found = lm.loglikelihood(asked((question, " paris"), (question, " lisbon"), PAIRS[0]))
    tokens = len(backbone.text_ids(" lisbon"))
    assert found[:2] == [(0.0, True), (FLOOR * tokens, False)]
    assert found[2] == BackboneLM(backbone).loglikelihood(asked(PAIRS[0]))[0]
    assert lm.routed == {question: "paris"}
    assert lm.generate_until(asked((question, {"until": ["r"]}))) == ["pa"]


def test_a_model_that_gives_no_numbers_still_has_some() -> None:
    backbone = tiny_backbone("opt")
    item = head(backbone)
    broken = backbone.edited(Edit((WeightDelta(item.module, torch.full_like(item.delta, torch.nan)),)))
    found = BackboneLM(broken).loglikelihood(asked(*PAIRS))
    lengths = [len(split(backbone, *pair)[1]) for pair in PAIRS]
    assert found == [(FLOOR * length, False) for length in lengths]


# ---- writing


def test_what_is_written_in_pieces_is_what_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny_backbone("llama", max_positions=20)
    requests = asked(*((context, {"max_gen_toks": most}) for context, _ in PAIRS[:3] for most in (1, 7, 11)))
    whole = BackboneLM(backbone).generate_until(requests)
    assert max(map(len, whole)) > 3
    monkeypatch.setattr(model, "PIECE", 2)
    assert BackboneLM(backbone).generate_until(requests) == whole


@pytest.mark.parametrize("family", KNOWN)
def test_written_text_is_greedy_and_stops(family: str) -> None:
    backbone = tiny_backbone(family)
    contexts = ("what is this?", "name the colour", "on which continent does the animal live?")
    lm = BackboneLM(backbone)
    found = lm.generate_until(asked(*((text, {"until": [], "max_gen_toks": 9}) for text in contexts)))
    for context, text in zip(contexts, found, strict=True):
        ids = [*backbone.text_start, *backbone.text_ids(context)]
        written: list[int] = []
        while len(written) < 9:
            token = int(plain_logprobs(backbone, [*ids, *written])[-1].argmax())
            if token in backbone.family.ends:
                break
            written.append(token)
        assert text == backbone.tokenizer.decode(written, skip_special_tokens=True)
        if len(text) > 2:
            stop = text[1:3]
            (cut,) = lm.generate_until(asked((context, {"until": [stop], "max_gen_toks": 9})))
            assert cut == text.partition(stop)[0]


def test_sampling_is_refused() -> None:
    lm = BackboneLM(tiny_backbone("opt"))
    with pytest.raises(BenchError, match="do_sample"):
        lm.generate_until(asked(("what?", {"do_sample": True, "temperature": 0.7})))
    assert lm.generate_until(asked(("what?", {"do_sample": False, "max_gen_toks": 1})))


def test_chat_backbones_read_raw_text() -> None:
    """No turn of a chat is put around a task's text: at most the families' first token stands before it."""
    for family in CHAT:
        backbone = tiny_backbone(family)
        assert backbone.text_start == (
            (first,) if (first := backbone.tokenizer.bos_token_id) is not None else ()
        )
