# SPDX-License-Identifier: Apache-2.0
"""Compiles most of the engine in a process of its own, while a new strategy and the rest of it are compiled here.

Only the cache is shared. When the other process cannot do its part, this one compiles the engine itself.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from kilohour.desk import Desk
from kilohour.strategy import Strategy


class Nothing(Strategy):
    """Does nothing: the engine compiles the same for every strategy."""

    def on_bar(self, desk: Desk) -> None:
        """Nothing."""


def engine_is_cached() -> bool:
    """True when the cache holds the engine of this version."""
    from kilohour import kernels

    folder = kernels.cache_root() / f"kernels-{kernels.KERNEL_HASH}"
    return any(folder.rglob("engine.advance-*.nbi"))


def is_worthwhile(face: type[Strategy]) -> bool:
    """True when both the engine and the strategy must be compiled, and there is a second core to do it."""
    from kilohour.faces.cache import strategy_folder

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores > 1 and not engine_is_cached() and not strategy_folder(face).exists()


@contextlib.contextmanager
def engine_compiling(face: type[Strategy], interpreted: bool) -> Iterator[None]:
    """Has the engine compiled elsewhere for as long as the block takes, where that saves time."""
    if interpreted or not is_worthwhile(face):
        yield
        return
    from kilohour.kernels.desk_service import service_address
    from kilohour.session import asks_for_orders

    package = str(Path(__file__).resolve().parents[1])
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(subprocess.Popen([sys.executable, "-m", "kilohour.warm"], env={**os.environ, "PYTHONPATH": paths},
                                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        yield
        service_address(targets_only=not asks_for_orders(face, interpreted))


def main() -> None:
    """Compiles the engine into the cache and ends."""
    import numpy as np

    from kilohour.contracts.contract import NEVER, Contract
    from kilohour.contracts.terms import EngineTerms
    from kilohour.faces.fields import dtype_of
    from kilohour.market import Market
    from kilohour.session import Session
    from kilohour.tape.builder import TapeBuilder

    builder = TapeBuilder(source="warm")
    ref = builder.contract(Contract(code="WARM:X-PERP", product="WARM:X", symbol="X", month=0, listed_at=0, last_trade_at=NEVER,
                                    settlement_at=NEVER, fixing_days=(), rule=""))
    one = np.ones(1, dtype=np.int64)
    builder.bars(ref, one, one, one, one, one, one)
    terms = EngineTerms(lot_num=1, lot_den=1, tick_micros=1, rounding_micros=1, fee_per_lot_micros=0, fee_ppm=0, fee_settlement_micros=0,
                        margin_initial_ppm=0, margin_maintenance_ppm=0, margin_initial_floor_micros=0,
                        margin_maintenance_floor_micros=0, half_spread_micros=0, participation_ppm=0, missing_rule=0,
                        restatement_latest=0)
    market = Market.of(builder.build(), {"WARM:X": terms}, {"WARM:X": None})
    # Nothing is called, so the second part, which the other process compiles meanwhile, need not be there.
    Session(market, Nothing, np.zeros(1, dtype_of(Nothing)), 0, interpreted=True, service_address=0, meeting_address=0).warm_up()


if __name__ == "__main__":
    main()
