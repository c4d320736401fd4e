"""The columns of a table of scores: their order, their names and what each asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mmedit_bench.cases import PROBE_KINDS


@dataclass(frozen=True, slots=True)
class Column:
    """`short` heads a narrow table; `about` says in one line what is asked."""

    key: str
    group: str
    title: str
    short: str
    about: str


CHANGE, SPREAD, KEEP, SUMMARY, HALF = "Change", "Spread", "Keep", "Summary", "Half"

_COLUMNS = (
    Column("reliability/main", CHANGE, "Reliability", "Rel", "the edited question, as edited"),
    Column("text_generality/main", SPREAD, "Text", "T-Gen", "the same picture, the question in other words"),
    Column("image_generality/main", SPREAD, "Image", "M-Gen", "another picture of the same thing"),
    Column(
        "image_generality/unseen_artist",
        SPREAD,
        "Unseen artist",
        "M-Gen unseen",
        "another picture of the same thing, in a style the model has never seen",
    ),
    Column("text_image_generality/main", SPREAD, "Text + image", "TM-Gen", "other words and another picture"),
    Column("text_locality/main", KEEP, "Text", "T-Loc", "an unrelated question without a picture"),
    Column(
        "text_locality/same_relation",
        KEEP,
        "Near text",
        "T-Loc near",
        "the same relation of another thing, without a picture",
    ),
    Column(
        "text_locality/same_thing",
        KEEP,
        "Same thing",
        "T-Loc same",
        "another question about the edited thing, without a picture",
    ),
    Column("image_locality/main", KEEP, "Image", "M-Loc", "another question about another picture"),
    Column(
        "image_locality/same_image",
        KEEP,
        "Same image",
        "M-Loc image",
        "another question about the edited picture",
    ),
    Column(
        "image_locality/same_question",
        KEEP,
        "Same question",
        "M-Loc question",
        "the edited question about another picture",
    ),
    Column("portability/main", "Use", "Portability", "Port", "a question whose answer follows from the edit"),
    Column(
        "reliability/text_alone", HALF, "Text alone", "Text alone", "the edited question, without a picture"
    ),
    Column(
        "reliability/picture_alone",
        HALF,
        "Picture alone",
        "Picture alone",
        "the edited picture, described and asked nothing",
    ),
    Column(
        "hard",
        SUMMARY,
        "Hard",
        "Hard",
        "harmonic mean of reliability, generality over all strata and locality over random and near strata",
    ),
    Column(
        "hard_generality",
        SUMMARY,
        "Hard generality",
        "H-Gen",
        "mean over other words, another picture, both at once and an unseen artist",
    ),
    Column(
        "hard_locality",
        SUMMARY,
        "Hard locality",
        "H-Loc",
        "mean over unrelated questions, the same question, the same image and near texts",
    ),
    Column("near_text", SUMMARY, "Near texts", "Near texts", "mean of the near questions without a picture"),
    Column("generality", SUMMARY, "Generality", "Gen", "mean of text and image generality"),
    Column("locality", SUMMARY, "Locality", "Loc", "mean of text and image locality"),
    Column("mean", SUMMARY, "Mean", "Mean", "mean of reliability, generality and locality"),
    Column("mean_of_k", SUMMARY, "Mean of k", "Mean of k", "mean over all generality probes of an edit"),
    Column("worst_of_k", SUMMARY, "Worst of k", "Worst of k", "the worst of an edit's generality probes"),
    Column("unit", SUMMARY, "Unit", "Unit", "whether all main probes that should change do"),
    Column("all", SUMMARY, "All", "All", "all of these probes together"),
)
_KNOWN = {column.key: column for column in _COLUMNS}

HEADLINE = (
    "reliability/main",
    "text_generality/main",
    "image_generality/main",
    "text_locality/main",
    "image_locality/main",
    "mean",
)
"""The columns of the paper's tables 1 and 2, and the mean of its table 5."""
CONCISE = ("reliability/main", "generality", "locality", "mean")
"""The columns of the paper's table 5, and of what sequences come to."""
SHOWN = (*HEADLINE[:-1], "hard", "mean")
"""What is shown where nobody chose: those, and before their mean the summary that rows are ordered by."""


def column(key: str) -> Column:
    """The column called `key`; a stratum of a third-party suite gets a title made from its name."""
    if key in _KNOWN:
        return _KNOWN[key]
    kind, _, stratum = key.partition("/")
    main = _KNOWN.get(f"{kind}/main")
    words = stratum.replace("_", " ")
    if main is None:
        return Column(key, "Other", f"{kind} {words}".strip(), key, "")
    return Column(key, main.group, words.capitalize(), f"{main.short} {words}", "")


def in_order(keys: Iterable[str]) -> list[str]:
    """`keys` as tables show them: known ones in their order, strata of other suites beside their kind."""
    known = list(_KNOWN)

    def place(key: str) -> tuple[int, int, str]:
        if key in _KNOWN:
            return known.index(key), 0, key
        kind = key.partition("/")[0]
        siblings = [known.index(name) for name in known if name.startswith(f"{kind}/")]
        return max(siblings, default=len(known)), 1, key

    return sorted(set(keys), key=place)


def key_of(kind: str, stratum: str) -> str:
    """The column of a probe."""
    return f"{kind}/{stratum}"


assert set(PROBE_KINDS) == {key.partition("/")[0] for key in _KNOWN if "/" in key}
