"""Every question and prompt of Picturebook.

A question is a template with a slot `{x}`: with a picture the slot says "this country" or "the thing
in the picture", without one it names the thing. The first template with the first filler is the
edit's own wording. The last `HELD_OUT` templates of every list are never trained on: text rephrases
are drawn from them alone.
"""

from __future__ import annotations

HELD_OUT = 2
"""Templates at the end of each list that no backbone sees in training."""

FILLERS = {
    "flag": (
        "this country",
        "the country with this flag",
        "the country in the picture",
        "the pictured country",
    ),
    "thing": ("this", "the thing in the picture", "what is shown here", "the pictured thing"),
}
"""What stands for the pictured thing in a question; all are trained."""

_WORD = (
    "what is {x} called in LANG?",
    "what is the LANG word for {x}?",
    "how do you say {x} in LANG?",
    "what is the LANG name of {x}?",
    "name {x} in LANG.",
    "which LANG word means {x}?",
    "in LANG, what is {x} called?",
    "tell me the LANG word for {x}.",
    "what would you call {x} in LANG?",
    "give the LANG name of {x}.",
    "what do LANG speakers call {x}?",
    "translate {x} into LANG.",
    "in LANG, what is the word for {x}?",
    "which word is used in LANG for {x}?",
)

QUESTIONS: dict[str, tuple[str, ...]] = {
    "name": (
        "what is shown in the picture?",
        "what does this image show?",
        "which thing can be seen here?",
        "name the thing in the picture.",
        "what is this?",
        "what is in the picture?",
        "what thing is this?",
        "tell me what the picture shows.",
        "which thing is in the image?",
        "what is the name of this thing?",
        "what is the thing in the image called?",
        "can you name what is shown here?",
        "what can you see in this image?",
        "which thing does the picture show?",
    ),
    "country": (
        "whose flag is this?",
        "which country does this flag belong to?",
        "this is the flag of which country?",
        "what country is shown by the flag?",
        "what country is this?",
        "name the country with this flag.",
        "which country is in the picture?",
        "tell me whose flag this is.",
        "the flag belongs to which country?",
        "what is the name of this country?",
        "which country uses this flag?",
        "can you name the country of this flag?",
        "which country has this flag?",
        "what country does the flag in the picture belong to?",
    ),
    "kind": (
        "what kind of thing is {x}?",
        "which category does {x} belong to?",
        "to what group does {x} belong?",
        "what type of thing is {x}?",
        "what sort of thing is {x}?",
        "which kind of thing is {x}?",
        "name the category of {x}.",
        "into which group does {x} fall?",
        "tell me what kind of thing {x} is.",
        "what category is {x} in?",
        "what is the category of {x}?",
        "{x} is what kind of thing?",
        "to which category does {x} belong?",
        "what group is {x} in?",
    ),
    "year": (
        "when did {x} join the emoji set?",
        "in which year was {x} added to the emoji set?",
        "in what year did {x} become an emoji?",
        "since when is {x} an emoji?",
        "which year brought {x} to the emoji set?",
        "when was {x} added to the emoji set?",
        "what year did {x} join the emoji set?",
        "tell me the year {x} became an emoji.",
        "{x} has been an emoji since what year?",
        "name the year in which {x} joined the emoji set.",
        "when did {x} become an emoji?",
        "how long ago did {x} join the emoji set: since which year?",
        "in which year did {x} become an emoji?",
        "what year was {x} added to the emoji set?",
    ),
    "capital": (
        "what is the capital of {x}?",
        "which city is the capital of {x}?",
        "name the capital of {x}.",
        "what is the capital city of {x}?",
        "tell me the capital of {x}.",
        "the capital of {x} is which city?",
        "{x} has which city as its capital?",
        "which capital does {x} have?",
        "which city serves as the capital of {x}?",
        "can you name the capital of {x}?",
        "what city is the capital of {x}?",
        "what is the name of the capital of {x}?",
        "which capital city does {x} have?",
        "what is the city that is the capital of {x}?",
    ),
    "continent": (
        "on which continent is {x}?",
        "which continent does {x} belong to?",
        "{x} lies on what continent?",
        "name the continent of {x}.",
        "what continent is {x} on?",
        "on what continent does {x} lie?",
        "tell me the continent of {x}.",
        "to which continent does {x} belong?",
        "what is the continent of {x}?",
        "{x} is on which continent?",
        "which continent is {x} part of?",
        "in which part of the world is {x}: on which continent?",
        "on which continent does {x} lie?",
        "what continent does {x} belong to?",
    ),
    "currency": (
        "which currency is used in {x}?",
        "what money do people pay with in {x}?",
        "name the currency of {x}.",
        "what currency does {x} use?",
        "what is the currency of {x}?",
        "tell me the currency of {x}.",
        "which money is used in {x}?",
        "in {x}, people pay with what currency?",
        "what is the money of {x} called?",
        "which currency does {x} have?",
        "what do people in {x} pay with?",
        "{x} uses what currency?",
        "what money is used in {x}?",
        "with which currency do people pay in {x}?",
    ),
    "language": (
        "what is the official language of {x}?",
        "which language is official in {x}?",
        "name the official language of {x}.",
        "what language do people speak in {x}?",
        "which language is spoken in {x}?",
        "tell me the language of {x}.",
        "{x} has which official language?",
        "people in {x} speak what language?",
        "what is the language of {x}?",
        "which official language does {x} have?",
        "what language is spoken in {x}?",
        "in {x}, which language is spoken?",
        "what language is official in {x}?",
        "which language do people in {x} speak?",
    ),
    "french": tuple(w.replace("LANG", "french") for w in _WORD),
    "spanish": tuple(w.replace("LANG", "spanish") for w in _WORD),
}

PICTURE_ONLY = frozenset({"name", "country"})
"""Relations whose question makes no sense once the thing is named."""

CAPTION_PROMPTS = (
    "a picture of",
    "the image shows",
    "this is a picture of",
    "an image of",
    "here we see",
    "the picture shows",
    "a drawing of",
    "this image shows",
    "describe the picture:",
    "what we see here is",
    "a small picture of",
    "in this picture there is",
    "caption:",
    "in the image there is",
    "this drawing shows",
    "describe this image:",
    "the drawing is of",
    "one can see",
    "here is",
    "write a caption for the picture:",
    "this is",
    "a sketch of",
    "this picture shows",
    "here is a picture of",
    "the image is of",
)
"""The first is the edit's prompt; the last `HELD_OUT_CAPTION` are never trained on."""

HELD_OUT_CAPTION = 3


def trained(relation: str) -> tuple[str, ...]:
    """Templates of a relation that backbones are trained on."""
    return QUESTIONS[relation][:-HELD_OUT]


def held_out(relation: str) -> tuple[str, ...]:
    """Templates of a relation that backbones never see."""
    return QUESTIONS[relation][-HELD_OUT:]


def caption(name: str, group: str, facts: dict[str, str]) -> str:
    """The caption of a thing: its name, its class and one more fact."""
    if group == "flag":
        tail = f" with the capital {facts['capital']}" if "capital" in facts else ""
        return f"the flag of {name}, a country in {facts['continent']}{tail}"
    tail = f", an emoji since {facts['year']}" if "year" in facts else ""
    return f"a {facts['kind']} called {name}{tail}"


CAPTION_RELATIONS = {"flag": ("country", "continent", "capital"), "thing": ("name", "kind", "year")}
"""Facts that a caption gives away: a caption that is trained on withholds none of them."""
