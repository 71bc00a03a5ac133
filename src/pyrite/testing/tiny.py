"""A collection small enough to be read whole: thirty passages on minerals, twelve questions.

The passages are close to each other on purpose. Pyrite, marcasite and chalcopyrite all pass for
gold at a glance, so a question about one of them has hard negatives among the others.
"""

from __future__ import annotations

from pyrite.data.collection import Collection
from pyrite.data.records import Document, Judgment, Query
from pyrite.data.tables import Corpus, Qrels, Queries

__all__ = ["tiny_collection"]

_DOCUMENTS = (
    ("gold", "Gold", "Gold is soft and heavy. A needle dents it, and it leaves a yellow streak on porcelain."),
    ("pyrite", "Pyrite", "Pyrite is a brassy iron sulphide. It is hard, brittle and leaves a black streak."),
    ("marcasite", "Marcasite", "Marcasite shares the formula of pyrite, not its crystals, and crumbles in damp air."),
    ("chalcopyrite", "Chalcopyrite", "Chalcopyrite is a sulphide of copper and iron, softer than pyrite."),
    ("fools-gold", "Fool's gold", "Prospectors called pyrite fool's gold, since its brassy cubes pass for the metal."),
    ("gold-panning", "Panning", "Swirling river sand in a pan washes light grains away and leaves the gold."),
    ("pyrite-fire", "Fire striking", "A lump of pyrite struck with flint throws sparks that can light dry tinder."),
    ("pyrite-cubes", "Crystal habit", "Pyrite grows as cubes whose faces carry fine parallel lines."),
    ("quartz", "Quartz", "Quartz is silicon dioxide. It scratches glass and breaks like glass, without cleavage."),
    ("amethyst", "Amethyst", "Amethyst is violet quartz, coloured by traces of iron and natural radiation."),
    ("citrine", "Citrine", "Citrine is yellow quartz; most of what is sold was made by heating amethyst."),
    ("opal", "Opal", "Opal holds water between tiny spheres of silica, which split light into colours."),
    ("calcite", "Calcite", "Calcite is calcium carbonate. It fizzes in dilute acid and cleaves into rhombs."),
    ("iceland-spar", "Iceland spar", "A clear piece of calcite shows two images of whatever lies beneath it."),
    ("aragonite", "Aragonite", "Aragonite is calcium carbonate too, and builds the shells of many molluscs."),
    ("dolomite", "Dolomite", "Dolomite looks like calcite but fizzes in acid only when it is powdered."),
    ("halite", "Halite", "Halite is rock salt. It tastes salty, dissolves in water and cleaves into cubes."),
    ("gypsum", "Gypsum", "Gypsum is so soft that a fingernail scratches it. Heated, it becomes plaster."),
    ("talc", "Talc", "Talc is the softest mineral of the Mohs scale and feels like soap."),
    ("diamond", "Diamond", "Diamond is carbon under great pressure, and the hardest mineral of the Mohs scale."),
    ("graphite", "Graphite", "Graphite is carbon in sheets that slide, which is why a pencil writes."),
    ("corundum", "Corundum", "Corundum is aluminium oxide, second in hardness to diamond alone."),
    ("ruby", "Ruby", "Ruby is corundum made red by chromium."),
    ("sapphire", "Sapphire", "Sapphire is corundum of any colour but red, most often blue from iron and titanium."),
    ("magnetite", "Magnetite", "Magnetite is an iron oxide that a magnet attracts; some pieces are magnets."),
    ("haematite", "Haematite", "Haematite is an iron oxide. Grey or red to the eye, it always leaves a red streak."),
    ("malachite", "Malachite", "Malachite is a green, banded copper carbonate, formed where copper ores weather."),
    ("azurite", "Azurite", "Azurite is a deep blue copper carbonate that slowly turns into malachite."),
    ("galena", "Galena", "Galena is lead sulphide: grey, very heavy, with cubes that break into smaller cubes."),
    ("cinnabar", "Cinnabar", "Cinnabar is the red sulphide of mercury, once ground to make vermilion."),
)  # fmt: skip

_QUERIES = (
    ("q01", "train", "which mineral was mistaken for gold by prospectors", {"fools-gold": 2, "pyrite": 1, "gold": 0}),
    ("q02", "train", "calcium carbonate in sea shells", {"aragonite": 1}),
    ("q03", "train", "violet variety of quartz", {"amethyst": 1, "citrine": 0}),
    ("q04", "train", "softest mineral on the Mohs scale", {"talc": 1}),
    ("q05", "train", "ore of lead", {"galena": 1}),
    ("q06", "train", "what gives ruby its red colour", {"ruby": 1}),
    ("q07", "dev", "clear crystal that doubles the image below it", {"iceland-spar": 1, "calcite": 1}),
    ("q08", "dev", "blue mineral that changes into malachite", {"azurite": 1}),
    ("q09", "test", "how to tell pyrite from gold by its streak", {"pyrite": 1, "gold": 1, "haematite": 0}),
    ("q10", "test", "carbon mineral used in pencils", {"graphite": 1, "diamond": 0}),
    ("q11", "test", "making fire with flint and an iron sulphide", {"pyrite-fire": 1}),
    ("q12", "test", "naturally magnetic iron oxide", {"magnetite": 1}),
)


def tiny_collection() -> Collection:
    """Return the tiny collection: 30 documents, 12 queries, the splits train, dev and test.

    Some queries have a document judged 0, a trusted negative; `q07` and `q09` have two positives,
    and `q01` has grades 1 and 2.

    Example:
        >>> tiny = tiny_collection()
        >>> len(tiny.corpus), len(tiny.queries), sorted(tiny.splits)
        (30, 12, ['dev', 'test', 'train'])
        >>> tiny.splits["test"].by_query()["q10"]
        {'graphite': 1, 'diamond': 0}
    """
    return Collection(
        name="tiny",
        corpus=Corpus.from_rows(Document(doc_id, text, title) for doc_id, title, text in _DOCUMENTS),
        queries=Queries.from_rows(Query(query_id, text) for query_id, _, text, _ in _QUERIES),
        splits={split: _judgements(split) for split in ("train", "dev", "test")},
    )


def _judgements(split: str) -> Qrels:
    return Qrels.from_rows(
        Judgment(query_id, doc_id, grade)
        for query_id, of_split, _, grades in _QUERIES
        if of_split == split
        for doc_id, grade in grades.items()
    )
