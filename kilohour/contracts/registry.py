# SPDX-License-Identifier: Apache-2.0
"""The registry: every product we know, by code, and the contracts that follow."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kilohour.contracts import codes
from kilohour.contracts.assumed import Assumptions
from kilohour.contracts.contract import PERPETUAL, Contract
from kilohour.contracts.files import read_products
from kilohour.contracts.product import Product
from kilohour.errors import UnknownName, UsageError

_FOLDER = Path(__file__).parent / "products"


@dataclass(frozen=True, slots=True)
class Registry:
    """Products by code. Immutable: each method that adds something gives a new registry.

    >>> Registry.shipped().product("SIM:H100").text("listed_months")
    '36 consecutive'
    """

    by_code: Mapping[str, Product]

    @classmethod
    def shipped(cls, extra: str | Path | None = None) -> Registry:
        """The products that come with kilohour, and those of a TOML file of the same form.

        Raises :class:`UsageError` in one line when the file breaks a rule or names a product that is here already.
        """
        shipped = cls({product.code: product for product in _shipped()})
        return shipped if extra is None else shipped.adding(read_products(Path(extra)), where=f"{Path(extra).name}: ")

    def products(self) -> tuple[Product, ...]:
        """All products, the embedded market's first, then by code."""
        order = sorted(self.by_code, key=lambda code: (not code.startswith("SIM:"), code))
        return tuple(self.by_code[code] for code in order)

    def product(self, code: str) -> Product:
        """The product of a code. Raises :class:`UnknownName` with the nearest."""
        if code not in self.by_code:
            codes.refuse_continuous(code)
            raise UnknownName("product", code, self.by_code, where="the registry")
        return self.by_code[code]

    def contract(self, name: str, *, near: int | None = None) -> Contract:
        """The contract of a code ``NYMEX:GPU1-2026-12`` or of a venue's symbol ``GPU1Z6``, with its days.

        ``near`` is the year that settles a symbol with a short year. Raises :class:`UnknownName` for a product that is
        not here, :class:`UsageError` for a month that is not listed.
        """
        product, month = self.parse(name, near=near)
        return product.contract(month)

    def parse(self, name: str, *, near: int | None = None) -> tuple[Product, int]:
        """Product and month that a contract's code or a venue's symbol names."""
        if ":" not in name:
            return self._of_symbol(name, near)
        code, month = codes.split_code(name)
        product = self.product(code)
        if month is None:
            if not product.is_perpetual:
                raise UsageError(f"a contract must be named with its month, as {code}-2026-12, found {name!r}")
            month = PERPETUAL
        return product, month

    def assuming(self, *assumptions: Assumptions) -> Registry:
        """A registry whose unknown terms are filled.

        Raises :class:`UnknownName` for a product that is not here, :class:`UsageError` for a term that is known.
        """
        products = dict(self.by_code)
        for file in assumptions:
            for code in file.terms:
                if code not in products:
                    raise UnknownName("product", code, products, where=f"the registry, assumed by {file.name}")
                products[code] = file.fill(products[code])
        return Registry(products)

    def adding(self, products: Iterable[Product], *, where: str = "") -> Registry:
        """A registry with more products. Raises :class:`UsageError` for a code that is here already."""
        together = dict(self.by_code)
        for product in products:
            if product.code in together:
                raise UsageError(f"{where}product {product.code} is in the registry already: give yours another code")
            together[product.code] = product
        return Registry(together)

    def _of_symbol(self, symbol: str, near: int | None) -> tuple[Product, int]:
        found = []
        for product in self.products():
            month = codes.month_of_symbol(str(product.get("symbol") or ""), symbol, near=near)
            if month is not None:
                found.append((product, month))
        if not found:
            examples = [codes.symbol_of(str(product.get("symbol")), 202612) for product in self.products()]
            raise UnknownName("contract", symbol, examples, where="the registry")
        if len(found) > 1:
            fits = ", ".join(product.code for product, _ in found)
            raise UsageError(f"symbol {symbol!r} fits more than one product ({fits}): write the code")
        return found[0]


@functools.cache
def _shipped() -> tuple[Product, ...]:
    return tuple(product for path in sorted(_FOLDER.glob("*.toml")) for product in read_products(path, trusted=True))
