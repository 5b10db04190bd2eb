# SPDX-License-Identifier: Apache-2.0
"""Venues: the tables a trader can read, their sources, and what the engine gets of them."""

import re
from pathlib import Path

import pytest

from kilohour.contracts import EngineTerms, Registry, Venue, engine_terms
from kilohour.contracts.venue import FACTS, FEATURES, FLAGS, GROUPS, KINDS, LIVES, NAMES, REASONS, SPREADS
from kilohour.errors import UnknownName, UsageError
from kilohour.kernels import records

VENUES = [Venue.shipped(name) for name in Venue.names()]

# From public documentation of each venue (docs/venues): accepted, emulated by us, REFUSED, or unknown and so refused.
CAPABILITIES = """
feature            ax        gate      nymex     okx       sandbox
market             emulated  accepted  accepted  accepted  accepted
limit              accepted  accepted  accepted  accepted  accepted
stop               emulated  accepted  accepted  accepted  accepted
stop_limit         emulated  accepted  accepted  accepted  accepted
trailing_stop      emulated  emulated  emulated  accepted  accepted
market_if_touched  emulated  accepted  emulated  accepted  accepted
at_settlement      REFUSED   REFUSED   unknown   REFUSED   accepted
gtc                accepted  accepted  accepted  accepted  accepted
day                accepted  emulated  accepted  emulated  accepted
ioc                accepted  accepted  accepted  accepted  accepted
fok                REFUSED   accepted  accepted  accepted  accepted
gtd                emulated  emulated  accepted  emulated  accepted
post_only          accepted  accepted  unknown   accepted  accepted
reduce_only        emulated  accepted  emulated  accepted  accepted
calendar           emulated  emulated  accepted  accepted  accepted
inter_product      emulated  emulated  accepted  emulated  accepted
oco                emulated  emulated  emulated  accepted  emulated
oto                emulated  emulated  emulated  emulated  emulated
bracket            emulated  emulated  emulated  accepted  emulated
amend              accepted  accepted  accepted  accepted  accepted
order_in_halt      unknown   unknown   REFUSED   unknown   accepted
cancel_in_halt     unknown   unknown   accepted  unknown   accepted
"""

# Reason codes: what each venue answers where we refuse, and what the first table refuses.
CODES = """
rule            ax                       gate                    nymex    okx      sandbox
not_listed      UNKNOWN_SYMBOL           CONTRACT_NOT_FOUND      2047     51001    not_listed
size            INCORRECT_QUANTITY       SIZE_TOO_SMALL          2115     51121    size
tick            INVALID_PRICE_INCREMENT  INVALID_PRECISION       unknown  unknown  tick
capacity        MAX_OPEN_ORDERS_EXCEEDED TOO_MANY_ORDERS         unknown  unknown  capacity
margin          INSUFFICIENT_MARGIN      INSUFFICIENT_AVAILABLE  unknown  51008    margin
band            PRICE_OUT_OF_BOUNDS      PRICE_TOO_DEVIATED      2179     51006    band
at_settlement   INCORRECT_ORDER_TYPE     INVALID_PARAM_VALUE     unknown  51000    -
fok             INCORRECT_ORDER_TYPE     -                       -        -        -
post_only       -                        -                       unknown  -        -
"""


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.strip().splitlines()]


@pytest.mark.parametrize("row", rows(CAPABILITIES)[1:], ids=lambda row: row[0])
def test_what_each_venue_does_with_each_feature(row: list[str]) -> None:
    names = rows(CAPABILITIES)[0][1:]
    assert names == list(Venue.names())
    for name, words in zip(names, row[1:], strict=True):
        found = Venue.shipped(name).capability(row[0])
        assert ("REFUSED" if found.is_known and not found.is_taken else found.state if found.is_known else "unknown") == words, name
        assert found.is_taken == (words in ("accepted", "emulated"))


def test_the_table_is_complete() -> None:
    assert [row[0] for row in rows(CAPABILITIES)[1:]] == list(NAMES)
    assert all(list(venue.capabilities) == list(NAMES) for venue in VENUES)
    assert all(set(REASONS) == set(venue.reasons) for venue in VENUES)
    assert all(set(FACTS[:4]) <= set(venue.facts) <= set(FACTS) for venue in VENUES)


@pytest.mark.parametrize("row", rows(CODES)[1:], ids=lambda row: row[0])
def test_the_reason_codes_of_each_venue(row: list[str]) -> None:
    for name, code in zip(rows(CODES)[0][1:], row[1:], strict=True):
        venue = Venue.shipped(name)
        if row[0] in REASONS:
            value = venue.reason_of(row[0]).value
            assert (value if venue.reason_of(row[0]).is_known else "unknown") == code, name
        else:
            assert (venue.capability(row[0]).code or "-") == code, name


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.name)
def test_every_entry_has_a_source_with_its_grade(venue: Venue) -> None:
    entries = {**venue.capabilities, **venue.reasons, **venue.facts}
    for name, entry in entries.items():
        assert re.search(r"\[[CASU]\]|^our own", entry.source), f"{name}: {entry.source}"
        assert not entry.source.startswith("@"), name
        if venue.name == "sandbox":
            assert entry.source.startswith("our own"), name
    unknown = [found.source for found in venue.capabilities.values() if not found.is_known]
    assert all("[U]" in source for source in unknown)


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.name)
def test_what_is_unknown_is_refused(venue: Venue) -> None:
    for found in venue.capabilities.values():
        assert found.is_known or (found.state, found.code, found.is_taken) == ("refused", "unknown", False)
        assert bool(found.code) == (found.state == "refused")
    assert list(venue.refusals()) == [name for name in NAMES if not venue.capability(name).is_taken]


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "kilohour/contracts/venues").glob("*.toml")), ids=lambda p: p.stem)
def test_shipped_tables_have_the_form_asked_of_a_users_file(path: Path) -> None:
    assert Venue.load(path) == Venue.shipped(path.stem)


# venue    kinds (bits 1-7)  lives (1-5)  flags  spreads  groups
MASKS = """
ax         1111110           11101        3      11       111
gate       1111110           11111        3      11       111
nymex      1111110           11111        2      11       111
okx        1111110           11111        3      11       111
sandbox    1111111           11111        3      11       111
"""


@pytest.mark.parametrize("row", rows(MASKS), ids=lambda row: row[0])
def test_the_masks_have_a_bit_for_each_constant_that_goes(row: list[str]) -> None:
    """Read from the left the bits are constants 1, 2, ...; flags are bits of their own: post_only 1, reduce_only 2."""
    venue = Venue.shipped(row[0])

    def mask(bits: str) -> int:
        return sum(1 << place for place, bit in enumerate(bits, 1) if bit == "1")

    assert (venue.kinds_mask, venue.lives_mask, venue.flags_mask) == (mask(row[1]), mask(row[2]), int(row[3]))
    assert (venue.spreads_mask, venue.groups_mask, venue.can_amend) == (mask(row[4]), mask(row[5]), True)
    terms = venue.on(engine_terms(Registry.shipped().product("SIM:H100")))
    assert isinstance(terms, EngineTerms)
    assert (terms.kinds_mask, terms.lives_mask, terms.flags_mask, terms.can_amend) == (mask(row[1]), mask(row[2]), int(row[3]), 1)


def test_names_stand_at_the_place_of_the_engines_constants() -> None:
    for names in (KINDS, LIVES):
        for place, name in enumerate(names, 1):
            assert getattr(records, name.upper(), place) == place
    for bit, name in enumerate(FLAGS):
        assert getattr(records, name.upper(), 1 << bit) == 1 << bit
    assert (records.MARKET, records.LIMIT, records.GTC, records.DAY) == (1, 2, 1, 2)
    assert (len(SPREADS), len(GROUPS), len(FEATURES)) == (2, 3, 7)


@pytest.mark.parametrize(("venue", "order", "code"), [
    ("ax", {"kind": 2, "life": 1}, ""),
    ("ax", {"kind": 2, "life": 4}, "INCORRECT_ORDER_TYPE"),
    ("ax", {"kind": 7, "life": 1}, "INCORRECT_ORDER_TYPE"),
    ("ax", {"kind": 3, "life": 5, "flags": 3, "spread": 1, "group": 3}, ""),
    ("nymex", {"kind": 2, "life": 1, "flags": 1}, "unknown"),
    ("nymex", {"kind": 2, "life": 1, "flags": 2}, ""),
    ("okx", {"kind": 7, "life": 4}, "51000"),
    ("sandbox", {"kind": 7, "life": 4, "flags": 3, "spread": 2, "group": 1}, ""),
])
def test_an_order_gets_the_code_of_the_first_feature_refused(venue: str, order: dict[str, int], code: str) -> None:
    assert Venue.shipped(venue).reason(**order) == code


@pytest.mark.parametrize(("product", "venue"), [
    ("NYMEX:GPU1", "nymex"), ("NYMEX:CL", "nymex"), ("AX:NVDA-H100", "ax"), ("GATE:H100", "gate"), ("SIM:H100", "sandbox"), ("MY:GPU", "sandbox"),
])
def test_a_product_trades_at_its_own_venue_or_in_the_sandbox(product: str, venue: str) -> None:
    assert Venue.of(product).name == venue


def test_a_name_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown venue 'nymx' .*did you mean 'nymex'"):
        Venue.load("nymx")
    with pytest.raises(UnknownName, match="unknown feature 'stop_lmt' in venue ax; did you mean 'stop_limit'"):
        Venue.shipped("ax").capability("stop_lmt")


MINE = """
title = "Our broker"
like = "ax"

[sources]
desk = "our broker's letter, 2026-11-20"

[features]
stop = { value = "refused", code = "order_type_not_supported", source = "@desk" }
fok = { value = "accepted", source = "@desk" }
amend = { value = "unknown", source = "@desk does not say" }
"""


def test_a_table_of_ones_own_begins_from_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "broker.toml").write_text(MINE)
    mine, ax = Venue.load(tmp_path / "broker.toml"), Venue.shipped("ax")
    assert (mine.name, mine.title) == ("broker", "Our broker")
    assert mine.refusals() == {"stop": "order_type_not_supported", "at_settlement": "INCORRECT_ORDER_TYPE", "amend": "unknown", "order_in_halt": "unknown",
                               "cancel_in_halt": "unknown"}
    assert mine.capability("stop").source == "our broker's letter, 2026-11-20"
    assert mine.capability("limit") == ax.capability("limit")
    assert mine.reason_of("tick") == ax.reason_of("tick")
    assert not mine.can_amend
    assert mine.kinds_mask == ax.kinds_mask - (1 << 3)


@pytest.mark.parametrize(("change", "rule"), [
    (('"accepted", source', '"yes", source'), "broker.toml: features: term 'fok' must be one of accepted, emulated, refused, found 'yes'"),
    ((', code = "order_type_not_supported"', ""), "broker.toml: feature 'stop': a refusal must have the venue's reason code; write \"unknown\""),
    (('fok = { value = "accepted"', 'fok = { value = "accepted", code = "7"'), "broker.toml: feature 'fok': only a refusal has a reason code, found '7'"),
    (('like = "ax"', ""), "broker.toml: feature 'market' is missing; write \"unknown\" when nobody has documented it"),
    (('like = "ax"', 'like = "axe"'), "unknown venue 'axe'"),
    (("@desk does", "@dsk does"), "broker.toml: features: term 'amend': source @dsk is not in [sources] (known: desk)"),
    (('title = "Our broker"', ""), "broker.toml: title is missing"),
    (("amend =", "ammend ="), "broker.toml: unknown term 'ammend' in broker.toml: features; did you mean 'amend'?"),
    (("[features]", "[feature]"), "broker.toml: feature: no such key is known here"),
    ((', source = "@desk does not say"', ""), "broker.toml: features: amend: source is missing"),
])
def test_a_table_that_breaks_a_rule_is_refused_in_one_line(tmp_path: Path, change: tuple[str, str], rule: str) -> None:
    assert MINE.count(change[0]) == 1
    (tmp_path / "broker.toml").write_text(MINE.replace(*change))
    with pytest.raises(UsageError) as error:
        Venue.load(tmp_path / "broker.toml")
    assert rule.removeprefix("broker.toml: ") in str(error.value)
    assert "\n" not in str(error.value)
