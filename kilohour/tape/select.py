# SPDX-License-Identifier: Apache-2.0
"""The part of a tape that speaks of some products: what a strategy did not ask for costs nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from kilohour.tape.schema import Kind
from kilohour.tape.tape import Tape


def select(tape: Tape, products: Collection[str], indices: Collection[str]) -> Tape:
    """The events of the contracts of ``products`` and of ``indices``, renumbered; the tape itself when that is all of it."""
    keep_contracts = [i for i, c in enumerate(tape.contracts) if c.product in products]
    keep_indices = [i for i, index in enumerate(tape.indices) if index.code in indices]
    if len(keep_contracts) == len(tape.contracts) and len(keep_indices) == len(tape.indices):
        return tape
    contract_rows = np.full(len(tape.contracts) + 1, -1, dtype=np.int32)
    contract_rows[keep_contracts] = np.arange(len(keep_contracts), dtype=np.int32)
    index_rows = np.full(len(tape.indices) + 1, -1, dtype=np.int32)
    index_rows[keep_indices] = np.arange(len(keep_indices), dtype=np.int32)
    ref, is_print = tape.events["ref"], tape.events["kind"] == Kind.PRINT
    rows = np.where(is_print, index_rows[np.where(is_print, ref, -1)], contract_rows[np.where(is_print, -1, ref)])
    keep = rows >= 0
    events = {name: column[keep] for name, column in tape.events.items()}
    events["ref"] = np.ascontiguousarray(rows[keep], dtype=np.int32)
    return replace(tape, events=events, contracts=tuple(tape.contracts[i] for i in keep_contracts),
                   indices=tuple(tape.indices[i] for i in keep_indices))
