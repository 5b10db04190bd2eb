# SPDX-License-Identifier: Apache-2.0
"""What a venue does with an order: accepted, emulated by kilohour, or refused with the venue's own reason code.

A table is a TOML file, each entry with its source, as the terms of products are::

    title = "Architect AX"

    [sources]
    protocol = "https://... [C]"

    [features]
    limit = { value = "accepted", source = "@protocol" }
    stop = { value = "emulated", source = "@protocol it has none: kept by us until it triggers" }
    fok = { value = "refused", code = "INCORRECT_ORDER_TYPE", source = "@protocol" }

    [reasons]               # the venue's code where our risk gate refuses
    tick = { value = "INVALID_PRICE_INCREMENT", source = "@protocol" }

    [facts]                 # what a trader should know of it, in words
    messages = { value = "100 requests a second", source = "@protocol" }

A feature that nobody has documented is ``"unknown"``: refused with the code ``unknown``, never silently accepted.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kilohour.contracts.files import read_toml, source_of
from kilohour.contracts.product import read_term
from kilohour.contracts.specs import CAPABILITY, STATEMENT, Spec
from kilohour.contracts.terms import UNKNOWN, EngineTerms, Term
from kilohour.errors import UnknownName, UsageError
from kilohour.kernels.words import FLAGS, KINDS, LIVES

_FOLDER = Path(__file__).parent / "venues"
SANDBOX = "sandbox"
"""Where the products of venues without a table trade, and ours."""

SPREADS = ("calendar", "inter_product")
"""The engine's constant is the place, from 1, here and in groups."""
GROUPS = ("oco", "oto", "bracket")
AMEND = "amend"
ORDER_IN_HALT, CANCEL_IN_HALT = "order_in_halt", "cancel_in_halt"
FEATURES: Mapping[str, tuple[str, ...]] = {
    "order kinds": KINDS, "time in force": LIVES, "flags": FLAGS, "spread orders": SPREADS, "groups": GROUPS, "changes": (AMEND,),
    "while a contract is halted": (ORDER_IN_HALT, CANCEL_IN_HALT),
}
"""Every feature a table speaks of, as pages show them."""
NAMES = tuple(name for group in FEATURES.values() for name in group)
REASONS = ("not_listed", "no_price", "size", "tick", "capacity", "margin", "band", "position_limit")
"""The risk gate's own codes, for which a table may give the venue's."""
FACTS = ("price_bands", "position_limits", "spot_month_limits", "messages", "lost_client", "notes")

_FEATURE_SPECS: Mapping[str, Spec] = dict.fromkeys(NAMES, CAPABILITY)
_REASON_SPECS: Mapping[str, Spec] = dict.fromkeys(REASONS, STATEMENT)
_FACT_SPECS: Mapping[str, Spec] = dict.fromkeys(FACTS, STATEMENT)
_NOT_STATED = Term(UNKNOWN, "[U] the table does not say")


@dataclass(frozen=True, slots=True)
class Capability:
    """What a venue does with one feature."""

    state: str
    """``accepted``, ``emulated`` by kilohour, or ``refused``."""
    code: str
    """The venue's reason code of a refusal, ``unknown`` when none was read; empty unless refused."""
    source: str
    is_known: bool = True
    """False when nobody has documented the feature: it is refused all the same."""

    @property
    def is_taken(self) -> bool:
        """True when an order with the feature goes: accepted or emulated."""
        return self.state != "refused"

    def __str__(self) -> str:
        return self.state if self.is_known else "unknown: refused"


@dataclass(frozen=True, slots=True)
class Venue:
    """One table of capabilities. Immutable."""

    name: str
    title: str
    note: str
    sha256: str
    """Hash of the file's bytes, for the manifest of a run."""
    capabilities: Mapping[str, Capability]
    reasons: Mapping[str, Term]
    facts: Mapping[str, Term]

    @staticmethod
    def names() -> tuple[str, ...]:
        """Names of the tables that come with kilohour."""
        return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))

    @classmethod
    def shipped(cls, name: str) -> Venue:
        """The table of a name. Raises :class:`UnknownName` with the nearest.

        >>> Venue.shipped("ax").capability("fok").code
        'INCORRECT_ORDER_TYPE'
        """
        if name not in cls.names():
            raise UnknownName("venue", name, cls.names(), where="the shipped tables (one of your own ends in .toml)")
        return _shipped(name)

    @classmethod
    def load(cls, name_or_path: str | Path) -> Venue:
        """A shipped table by name, or a file of one's own by a path that ends in ``.toml``.

        Raises :class:`UnknownName`, and :class:`UsageError` in one line for a file that breaks a rule.
        """
        text = str(name_or_path)
        return _read(Path(text), trusted=False) if text.endswith(".toml") else cls.shipped(text)

    @classmethod
    def of(cls, product: str) -> Venue:
        """The table of a product's own venue, by what stands before the colon of its code; the sandbox where there is none."""
        name = product.partition(":")[0].lower()
        return _shipped(name if name in cls.names() else SANDBOX)

    def capability(self, feature: str) -> Capability:
        """What it does with a feature. Raises :class:`UnknownName` with the nearest."""
        if feature not in self.capabilities:
            raise UnknownName("feature", feature, self.capabilities, where=f"venue {self.name}")
        return self.capabilities[feature]

    def refusals(self) -> dict[str, str]:
        """The features it refuses, each with its reason code."""
        return {name: found.code for name, found in self.capabilities.items() if not found.is_taken}

    def emulated(self) -> tuple[str, ...]:
        """The features that it lacks and kilohour emulates."""
        return tuple(name for name, found in self.capabilities.items() if found.state == "emulated")

    def reason(self, kind: int, life: int, flags: int = 0, spread: int = 0, group: int = 0) -> str:
        """The venue's code for an order that it refuses, from the engine's constants; empty when it takes the order.

        The first feature refused counts, in the order kind, life, flags, spread, group; 0 stands for none.
        """
        used = [*_at(KINDS, kind), *_at(LIVES, life), *(name for bit, name in enumerate(FLAGS) if flags >> bit & 1),
                *_at(SPREADS, spread), *_at(GROUPS, group)]
        return next((self.capabilities[name].code for name in used if not self.capabilities[name].is_taken), "")

    def reason_of(self, rule: str) -> Term:
        """The venue's code where our risk gate refuses with the code ``rule``."""
        return self.reasons.get(rule, _NOT_STATED)

    @property
    def kinds_mask(self) -> int:
        """Bit n is set when order kind n goes."""
        return self._bits(KINDS)

    @property
    def lives_mask(self) -> int:
        """Bit n is set when time in force n goes."""
        return self._bits(LIVES)

    @property
    def flags_mask(self) -> int:
        """The flags that go, together: flags are bits, so that ``flags & ~flags_mask`` is what it refuses."""
        return self._bits(FLAGS) >> 1

    @property
    def spreads_mask(self) -> int:
        """Bit n is set when spread order n goes: calendar 1, inter-product 2."""
        return self._bits(SPREADS)

    @property
    def groups_mask(self) -> int:
        """Bit n is set when group n goes: oco 1, oto 2, bracket 3."""
        return self._bits(GROUPS)

    @property
    def can_amend(self) -> bool:
        """True when a working order can be changed."""
        return self.capabilities[AMEND].is_taken

    @property
    def order_in_halt(self) -> bool:
        """True when orders are taken while a contract is halted; they wait for it to open."""
        return self.capabilities[ORDER_IN_HALT].is_taken

    @property
    def cancel_in_halt(self) -> bool:
        """True when orders can be cancelled while a contract is halted."""
        return self.capabilities[CANCEL_IN_HALT].is_taken

    def on(self, terms: EngineTerms) -> EngineTerms:
        """The terms of a product with what this venue takes."""
        return dataclasses.replace(terms, kinds_mask=self.kinds_mask, lives_mask=self.lives_mask, flags_mask=self.flags_mask,
                                   spreads_mask=self.spreads_mask, groups_mask=self.groups_mask, can_amend=int(self.can_amend),
                                   order_in_halt=int(self.order_in_halt), cancel_in_halt=int(self.cancel_in_halt))

    def _bits(self, names: Sequence[str]) -> int:
        return sum(1 << place for place, name in enumerate(names, 1) if self.capabilities[name].is_taken)


def _at(names: Sequence[str], place: int) -> Iterator[str]:
    if 0 < place <= len(names):
        yield names[place - 1]


@functools.cache
def _shipped(name: str) -> Venue:
    return _read(_FOLDER / f"{name}.toml", trusted=True)


def _read(path: Path, *, trusted: bool) -> Venue:
    tables, raw = read_toml(path)
    where = f"{path.name}: "
    if not trusted:
        from kilohour.contracts.validation import check_venue

        check_venue(path.name, tables)
    base = Venue.shipped(tables["like"]) if "like" in tables else None
    given = tables.get("features", {})
    terms = _terms(where, "features", tables, _FEATURE_SPECS)
    found = {name: _capability(where, name, term, given[name].get("code")) for name, term in terms.items()}
    found = {**(base.capabilities if base else {}), **found}
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise UsageError(f"{where}feature {missing[0]!r} is missing; write \"unknown\" when nobody has documented it, "
                         'or begin from a shipped table with like = "ax"')
    return Venue(
        path.stem, tables["title"], tables.get("note", ""), hashlib.sha256(raw).hexdigest(),
        {name: found[name] for name in NAMES},
        {**(base.reasons if base else {}), **_terms(where, "reasons", tables, _REASON_SPECS)},
        {**(base.facts if base else {}), **_terms(where, "facts", tables, _FACT_SPECS)},
    )  # fmt: skip


def _terms(where: str, table: str, tables: Mapping[str, Any], specs: Mapping[str, Spec]) -> dict[str, Term]:
    sources = tables.get("sources", {})
    return {
        name: read_term(table, name, entry["value"], source_of(where, table, name, entry["source"], sources), where=where, specs=specs)
        for name, entry in tables.get(table, {}).items()
    }


def _capability(where: str, name: str, term: Term, code: str | None) -> Capability:
    refused = term.value == "refused"
    if refused and code is None:
        raise UsageError(f"{where}feature {name!r}: a refusal must have the venue's reason code; write \"unknown\" when none was read")
    if code is not None and not refused:
        raise UsageError(f"{where}feature {name!r}: only a refusal has a reason code, found {code!r}")
    if not term.is_known:
        return Capability("refused", UNKNOWN.value, term.source, is_known=False)
    return Capability(str(term.value), code or "", term.source)
