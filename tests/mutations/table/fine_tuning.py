"""Mistakes in fine-tuning, of whatever part and in whatever form."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

COPY = "test_ft.py::test_deltas_equal_training_the_weights_of_a_copy"

FINE_TUNING = (
    Mutant(
        "ft-layer-off-by-one",
        "ft/deltas.py",
        "return layer + backbone.layer_count if layer < 0 else layer",
        "return layer + backbone.layer_count - 1 if layer < 0 else layer",
        "the layer before the one that is named is edited, by ft, ft-l, t-patcher, grace and wise",
        (COPY,),
    ),
    Mutant(
        "ft-decays",
        "ft/deltas.py",
        "lr=lr, weight_decay=0.0)",
        "lr=lr, weight_decay=1.0)",
        "deltas are drawn back to zero",
        (COPY,),
    ),
    Mutant(
        "ft-stops-while-wrong",
        "ft/deltas.py",
        "done=lambda value: value < threshold",
        "done=lambda value: value > threshold",
        "training stops where it should go on",
        (COPY, "test_ft.py::test_training_reaches_the_target_and_stops_there"),
    ),
    Mutant(
        "ft-reads-the-last-linear-only",
        "ft/editor.py",
        "modules = backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))",
        "modules = backbone.anatomy.ffn(layer_from_end(backbone, settings.layer))[-1:]",
        "one of the feed-forward weights is trained in place of all",
        (COPY,),
    ),
    Mutant(
        "ft-l-without-ball",
        "ft_l/editor.py",
        "project=lambda delta: delta.clamp_(-radius, radius),",
        "project=lambda delta: delta,",
        "weights move as far as they like",
        ("test_ft_variants.py::test_ft_l_is_projected_descent_and_never_leaves_the_ball",),
    ),
    Mutant(
        "ft-l-half-a-ball",
        "ft_l/editor.py",
        "project=lambda delta: delta.clamp_(-radius, radius),",
        "project=lambda delta: delta.clamp_(max=radius),",
        "weights may fall as far as they like",
        ("test_ft_variants.py::test_ft_l_is_projected_descent_and_never_leaves_the_ball",),
    ),
    Mutant(
        "ft-vision-one-linear",
        "ft_vision/editor.py",
        "backbone.linears(_path(settings.part, backbone)),\n            lr",
        "backbone.linears(_path(settings.part, backbone))[:1],\n            lr",
        "one linear of the Q-Former is trained in place of all",
        ("test_ft_variants.py::test_ft_vision_equals_training_a_copied_q_former",),
    ),
    Mutant(
        "projector-one-matrix",
        "projector/editor.py",
        "for module in backbone.linears(path)]",
        "for module in backbone.linears(path)[:1]]",
        "the first matrix of a projection is trained in place of all",
        ("test_projector.py::test_an_edit_equals_training_the_projection_of_a_copy",),
    ),
    Mutant(
        "lora-without-scale",
        "lora/editor.py",
        "return LowRankDelta(self.module, self.scale * self.up, self.down)",
        "return LowRankDelta(self.module, self.up, self.down)",
        "alpha / rank is left out",
        ("test_lora.py::test_an_edit_equals_training_adapters_inside_a_copy",),
    ),
    Mutant(
        "lora-half-trained",
        "lora/editor.py",
        "[own for each in adapters for own in (each.up, each.down)]",
        "[each.up for each in adapters]",
        "one of the two factors is not trained",
        ("test_lora.py::test_an_edit_equals_training_adapters_inside_a_copy",),
    ),
    Mutant(
        "lora-keys-for-values",
        "lora/editor.py",
        '"qv": [attention[0], attention[2]]',
        '"qv": [attention[0], attention[1]]',
        "queries and keys are adapted, not queries and values",
        ("test_lora.py::test_which_linears_are_adapted",),
    ),
    Mutant(
        "lora-as-if-first",
        "lora/editor.py",
        "return backbone.loss([request.query], [request.target], trial)",
        "return backbone.unedited().loss([request.query], [request.target], trial)",
        "in a sequence each edit is trained as if it were the first",
        ("test_lora.py::test_a_sequence_is_trained_upon_and_stacks_until_one_matrix_is_smaller",),
    ),
)
