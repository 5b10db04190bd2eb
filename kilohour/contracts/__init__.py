# SPDX-License-Identifier: Apache-2.0
"""What can be traded: products with the source of each term, their contracts, and assumptions for unknown terms."""

from kilohour.contracts.assumed import Assumptions
from kilohour.contracts.contract import NEVER, PERPETUAL, Contract
from kilohour.contracts.product import Product
from kilohour.contracts.registry import Registry
from kilohour.contracts.terms import UNKNOWN, EngineTerms, Term, engine_terms
from kilohour.contracts.venue import Venue

__all__ = [
    "NEVER",
    "PERPETUAL",
    "UNKNOWN",
    "Assumptions",
    "Contract",
    "EngineTerms",
    "Product",
    "Registry",
    "Term",
    "Venue",
    "engine_terms",
]
