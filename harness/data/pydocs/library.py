"""From the raw harvest to articles with one name each, their See Also links, and the orders they are to be read in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.pydocs.names import Names, canonical, path_words
from harness.data.pydocs.sections import Docstring, parse, see_also_names
from harness.data.pydocs.text import body, repaired, words

__all__ = ["Article", "Library", "Listing", "library_of"]

_MIN_WORDS = 5  # below this a docstring says no more than its name
_LISTED = re.compile(r"^\s*`{0,2}~?\.?([A-Za-z_][\w.]*)`{0,2}(?:\(\))?\s*(?:--?\s.*|\s{2,}.*)?$")


@dataclass(frozen=True)
class Article:
    """One document in the making. `body` is the indexed text without the words of the path."""

    id: str
    title: str
    module: str
    package: str
    parsed: Docstring
    body: str


@dataclass(frozen=True)
class Listing:
    """Articles in the order their authors put them: of a module's own docstring, or of a class's methods."""

    name: str
    module: str
    ids: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Library:
    """Articles by id (ascending), resolved links id → ids in their order, listings by name, and what was counted."""

    articles: dict[str, Article]
    links: dict[str, tuple[str, ...]]
    listings: tuple[Listing, ...]
    facts: dict[str, int]


def library_of(harvest: Mapping[str, Any]) -> Library:
    """Name, repair, parse and link what the child process found."""
    docs = [repaired(doc) for doc in harvest["docs"]]
    names, texts = canonical([tuple(path) for path in harvest["paths"]], docs)
    modules = dict(harvest["modules"])
    articles = {}
    for name in sorted(texts):
        article = _article(name, texts[name], modules)
        if article.parsed.summary and len(words(article.body)) >= _MIN_WORDS:
            articles[name] = article
    links, counts = _links(articles, names)
    listings = [*_module_listings(modules, names), *_class_listings(harvest["classes"], names, modules)]
    facts = {"paths": len(names.alias), "texts": len(texts), **counts}
    return Library(articles, links, _kept(listings, articles), facts)


def _article(name: str, text: str, modules: Mapping[str, str]) -> Article:
    parsed = parse(text)
    return Article(name, path_words(name), _module(name, modules), name.partition(".")[0], parsed, body(parsed))


def _module(name: str, modules: Mapping[str, str]) -> str:
    """The module a path lies in: its longest beginning that is one (numpy.abs → numpy)."""
    module = name.rpartition(".")[0]
    while module and module not in modules:
        module = module.rpartition(".")[0]
    return module or name


def _links(articles: Mapping[str, Article], names: Names) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    counts: Counter[str] = Counter(see_also_names=0, see_also_unresolved=0, links=0)
    links: dict[str, tuple[str, ...]] = {}
    for name, article in articles.items():
        written = see_also_names(article.parsed.section("see also"))
        meant = [names.resolve(one, near=name) for one in written]
        found = tuple(dict.fromkeys(one for one in meant if one is not None and one != name and one in articles))
        counts.update(see_also_names=len(written), see_also_unresolved=meant.count(None), links=len(found))
        if found:
            links[name] = found
    return links, dict(counts)


def _module_listings(modules: Mapping[str, str], names: Names) -> list[Listing]:
    """Lines of a module's docstring that begin with a member's name, in their order."""
    listings = []
    for module, doc in modules.items():
        entries = [found[1] for line in doc.splitlines() if (found := _LISTED.match(line))]
        ids = [names.alias.get(f"{module}.{entry}") or names.alias.get(entry) for entry in entries]
        listings.append(Listing(module, module, tuple(one for one in ids if one is not None)))
    return listings


def _class_listings(
    classes: Sequence[tuple[str, Sequence[str]]], names: Names, modules: Mapping[str, str]
) -> list[Listing]:
    """Methods in the order of the class body; what a class only shares with another is left to the other."""
    listings = []
    for path, order in classes:
        own = [names.alias.get(f"{path}.{name}") for name in order]
        ids = [one for one in own if one is not None and one.startswith(f"{path}.")]
        listings.append(Listing(path, _module(path, modules), tuple(ids)))
    return listings


def _kept(listings: Sequence[Listing], articles: Mapping[str, Article]) -> tuple[Listing, ...]:
    known = {}
    for listing in listings:
        ids = tuple(dict.fromkeys(one for one in listing.ids if one in articles))
        if ids:
            known[listing.name] = Listing(listing.name, listing.module, ids)
    return tuple(known[name] for name in sorted(known))
