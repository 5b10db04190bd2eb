# SPDX-License-Identifier: Apache-2.0
"""Named assumptions: values for terms that nobody has published, each with a reason.

A file has one or more tables::

    [[assume]]
    products = ["NYMEX:GPU1", "NYMEX:GPU2"]
    [assume.terms]
    margin_initial_ppm = { value = 200_000, reason = "..." }

It may fill unknown terms only, and choose a margin model where a product names none.
Its hash goes into the manifest of a run, its terms into the report.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kilohour.contracts.files import read_toml
from kilohour.contracts.product import Product, read_term
from kilohour.contracts.specs import SPECS
from kilohour.contracts.terms import UNKNOWN, Term, shown
from kilohour.errors import UnknownName, UsageError

_FOLDER = Path(__file__).parent / "assumptions"


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The content of one assumptions file."""

    name: str
    """The file's name without its ending."""
    sha256: str
    """Hash of the file's bytes."""
    terms: Mapping[str, Mapping[str, Term]]
    """Product code, then term name; a term's source is the reason given."""

    @staticmethod
    def shipped_names() -> tuple[str, ...]:
        """Names of the files that come with kilohour."""
        return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))

    @classmethod
    def load(cls, name_or_path: str | Path) -> Assumptions:
        """Reads shipped assumptions by name, or a file by a path that ends in ``.toml``.

        Raises :class:`UnknownName` with the nearest name, :class:`UsageError` for a file that breaks a rule.
        """
        text = str(name_or_path)
        if text in cls.shipped_names():
            return _read(_FOLDER / f"{text}.toml", trusted=True)
        if text.endswith(".toml"):
            return _read(Path(text), trusted=False)
        raise UnknownName("assumptions", text, cls.shipped_names(),
                          where="the shipped files (a file of one's own ends in .toml)")

    def fill(self, product: Product) -> Product:
        """The product with its unknown terms filled. Raises :class:`UsageError` for a term that is known already."""
        given = self.terms.get(product.code)
        if not given:
            return product
        terms = dict(product.terms)
        for name, term in given.items():
            old = terms.get(name)
            if old is None and SPECS[name].by_assumption:
                terms[name] = term
                continue
            if old is None:
                raise UsageError(f"{self.name}: {product.code}: term {name!r} does not apply to this product, "
                                 f"found {shown(term.value)}")
            if old.is_known:
                by = f"already assumed by {old.assumed_by}" if old.assumed_by else "known"
                raise UsageError(f"{self.name}: {product.code}: an assumption may fill unknown terms only, {name!r} is "
                                 f"{by} ({shown(old.value)}: {old.source}), found {shown(term.value)}")
            terms[name] = term
        try:
            return dataclasses.replace(product, terms=terms)
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from None


def _read(path: Path, *, trusted: bool) -> Assumptions:
    tables, raw = read_toml(path)
    if not trusted:
        from kilohour.contracts.validation import check_assumptions

        check_assumptions(path.name, tables)
    filled: dict[str, dict[str, Term]] = {}
    for table in tables["assume"]:
        for code in table["products"]:
            for name, entry in table["terms"].items():
                term = read_term(code, name, entry["value"], entry["reason"], where=f"{path.name}: ")
                if term.value is UNKNOWN:
                    raise UsageError(f"{path.name}: {code}: term {name!r} must be a value, found 'unknown'")
                if name in filled.setdefault(code, {}):
                    raise UsageError(f"{path.name}: {code}: term {name!r} is assumed twice, found {entry['value']}")
                filled[code][name] = dataclasses.replace(term, assumed_by=path.stem)
    return Assumptions(path.stem, hashlib.sha256(raw).hexdigest(), filled)


@functools.cache
def _shipped() -> tuple[Assumptions, ...]:
    return tuple(Assumptions.load(name) for name in Assumptions.shipped_names())


def shipped_that_fill(product: str, term: str) -> list[str]:
    """Names of the shipped assumptions that fill a term of a product."""
    return [file.name for file in _shipped() if term in file.terms.get(product, {})]
