# SPDX-License-Identifier: Apache-2.0
"""The pages of venues, made from their tables: ``python -m kilohour.contracts.venue_pages`` writes ``docs/venues``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kilohour.contracts.product import Product
from kilohour.contracts.registry import Registry
from kilohour.contracts.specs import SPECS
from kilohour.contracts.terms import plain, shown
from kilohour.contracts.venue import FEATURES, REASONS, Capability, Venue

COMMAND = "python -m kilohour.contracts.venue_pages"
_LIMITS = ("price_band_ppm", "position_limit", "position_limit_spot", "position_limit_spot_days", "position_accountability_single",
           "position_accountability_all")  # fmt: skip


def shown_state(found: Capability) -> str:
    """``accepted``, ``emulated``, ``refused: CODE`` or ``unknown: refused``."""
    if found.is_taken or not found.is_known:
        return str(found)
    return f"refused: {found.code}"


def reason_rows(venue: Venue) -> list[tuple[str, str, str]]:
    """Our code, the venue's code and its source, for each rule of the risk gate."""
    return [(rule, shown(venue.reason_of(rule).value), venue.reason_of(rule).source) for rule in REASONS]


def venue_entry(venue: Venue) -> dict[str, Any]:
    """A table as JSON."""
    return {
        "name": venue.name, "title": venue.title, "note": venue.note, "sha256": venue.sha256,
        "features": {
            name: {"state": found.state, "known": found.is_known, "code": found.code or None, "source": found.source}
            for name, found in venue.capabilities.items()
        },
        "reasons": {rule: {"code": code, "source": source} for rule, code, source in reason_rows(venue)},
        "facts": {name: {"value": plain(term.value), "source": term.source} for name, term in venue.facts.items()},
        "masks": {"kinds": venue.kinds_mask, "lives": venue.lives_mask, "flags": venue.flags_mask, "spreads": venue.spreads_mask,
                  "groups": venue.groups_mask, "can_amend": venue.can_amend},
    }  # fmt: skip


def pages() -> dict[str, str]:
    """Every page by the name of its file."""
    venues = [Venue.shipped(name) for name in Venue.names()]
    products: dict[str, list[Product]] = {venue.name: [] for venue in venues}
    for product in Registry.shipped().products():
        products[Venue.of(product.code).name].append(product)
    return {"README.md": overview(venues), **{f"{venue.name}.md": page(venue, products[venue.name]) for venue in venues}}


def overview(venues: Sequence[Venue]) -> str:
    """The page that has all venues side by side."""
    lines = [
        "# Venues: what each does with an order", "", _made(),
        "A run refuses what the venue refuses: `kilohour backtest NAME --venue ax`. Without `--venue` each product trades at its own",
        "venue, and in the sandbox where that has no table. *Emulated* is what the venue lacks and kilohour does itself. What nobody has",
        "documented is *unknown*, and refused with the code `unknown`. A table of your own is a TOML file of the same form, passed by its",
        'path; `like = "ax"` lets it begin from a shipped one.', "",
    ]  # fmt: skip
    head = ["feature", *(f"[{venue.name}]({venue.name}.md)" for venue in venues)]
    rows = [[f"`{name}`", *(_cell(venue.capability(name)) for venue in venues)] for group in FEATURES.values() for name in group]
    return _text([*lines, *_table(head, rows)])


def page(venue: Venue, products: Sequence[Product]) -> str:
    """The page of one venue, with the limits of the products that trade there."""
    lines = [f"# {venue.title}", "", _made(), *([venue.note, ""] if venue.note else [])]
    if products:
        lines += [f"Products of the registry that trade here: {', '.join(f'`{product.code}`' for product in products)}.", ""]
    for title, names in FEATURES.items():
        lines += [f"## {title.capitalize()}", ""]
        rows = [[f"`{name}`", _cell(venue.capability(name)), _cited(venue.capability(name).source)] for name in names]
        lines += [*_table(["feature", "what happens", "source"], rows), ""]
    lines += ["## Other refusals", "", "Where our risk gate refuses, the code in a run is ours, the same at every venue.", ""]
    lines += [*_table(["our code", "the venue's", "source"], [[f"`{a}`", f"`{b}`", _cited(c)] for a, b, c in reason_rows(venue)]), ""]
    facts = [[name.replace("_", " "), shown(term.value), _cited(term.source)] for name, term in venue.facts.items()]
    lines += ["## Limits and messages", "", *_table(["what", "as stated", "source"], facts), ""]
    limits = [[f"`{product.code}`", SPECS[name].meaning, f"{shown(term.value)} {SPECS[name].unit}" if term.is_known else "unknown",
               _cited(term.source)]
              for product in products for name, term in product.terms.items() if name in _LIMITS]  # fmt: skip
    if limits:
        lines += ["## Limits by product", "", "What is unknown is not enforced, and a run says so.", ""]
        lines += _table(["product", "term", "value", "source"], limits)
    return _text(lines)


def _made() -> str:
    return f"<!-- made by `{COMMAND}` from kilohour/contracts/venues: edit the tables, not this page -->\n"


def _cell(found: Capability) -> str:
    if found.is_taken:
        return found.state
    return f"refused `{found.code}`" if found.is_known else "unknown: refused"


def _cited(source: str) -> str:
    """The source with its address as a link that shows the host."""
    words = source.split()
    return " ".join(f"[{word.split('/')[2].removeprefix('www.')}]({word})" if "://" in word else word for word in words)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes pages into a folder that there is or that is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/venues"), pages())
