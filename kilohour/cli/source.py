# SPDX-License-Identifier: Apache-2.0
"""What a command trades on: a tape folder, or the embedded market, which is kept as a tape once it was made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kilohour.cli.output import Waiting
from kilohour.errors import DataError, UsageError

if TYPE_CHECKING:
    from kilohour.datafeeds.embedded import EmbeddedMarket
    from kilohour.tape import Tape

SEED = 7
MARKETS_KEPT = 8
"""Embedded markets in the cache; the least recently used goes first. One takes 5 MB."""


def tape_of(tape: Path | None, market: str | None, contracts: Path | None) -> Tape | Path:
    """The tape to trade on: ``--tape``, or the market that ``--market`` names, or the embedded one of seed 7.

    Raises :class:`UsageError` when both are given or a name is wrong, :class:`DataError` for a folder that is no tape.
    """
    if tape is not None:
        if market is not None:
            raise UsageError(f"give --tape or --market, not both, found --tape {tape} and --market {market}")
        from kilohour.tape.store import check_version

        check_version(tape)
        return tape
    return cached(market_named(market, contracts), contracts)


def scenario_tape(scenario: str, market: str | None, contracts: Path | None) -> Tape:
    """The tape of one market of a scenario; ``market`` is its seed. Raises :class:`UsageError`."""
    from kilohour.contracts import Registry
    from kilohour.datafeeds.embedded import EmbeddedMarket
    from kilohour.datafeeds.embedded.scenario import Scenario

    seed = seed_of(market)
    with Waiting(f"making the market of {scenario}, seed {seed}"):
        return EmbeddedMarket.under(Scenario.load(scenario), seed, Registry.shipped(contracts)).tape()


def seed_of(market: str | None) -> int:
    """The seed that ``--market`` gives beside ``--scenario``. Raises :class:`UsageError` for a market file."""
    text = market or str(SEED)
    if not text.isdecimal():
        raise UsageError(f"with --scenario, --market must be a seed (the base market stands in the scenario's [market]), found {text!r}")
    return int(text)


def market_named(text: str | None, contracts: Path | None = None) -> EmbeddedMarket:
    """The embedded market of a seed, a TOML file, or FILE:SEED. Raises :class:`UsageError`."""
    from kilohour.contracts import Registry
    from kilohour.datafeeds.embedded import EmbeddedMarket, MarketConfig

    file, _, seed = (text or str(SEED)).rpartition(":")
    if seed.endswith(".toml"):
        file, seed = text or "", str(SEED)
    if not seed.isdecimal() or (file and not file.endswith(".toml")):
        raise UsageError(f"market must be a whole seed, a TOML file, or FILE:SEED, found {text!r}")
    config = MarketConfig.load(file) if file else MarketConfig()
    return EmbeddedMarket(seed=int(seed), config=config, registry=Registry.shipped(contracts))


def cached(market: EmbeddedMarket, contracts: Path | None = None) -> Tape | Path:
    """The folder in the cache that holds a market's tape, made when it is not there.

    A damaged one is made again. Where the cache cannot be written the tape itself comes back.
    """
    from kilohour.faces.cache import prune_folders
    from kilohour.kernels import cache_root
    from kilohour.tape.store import check_version

    folder = cache_root() / "markets" / key_of(market, contracts)
    try:
        check_version(folder)
        os.utime(folder)
    except (DataError, OSError):
        with Waiting(f"making the embedded market, seed {market.seed}"):
            made = market.tape()
        try:
            shutil.rmtree(folder, ignore_errors=True)
            made.save(folder)
            prune_folders((f.parent for f in folder.parent.glob("*/manifest.json")), MARKETS_KEPT)
        except OSError as error:
            sys.stderr.write(f"kilohour: note: the market was not kept in {folder}: {error.strerror}\n")
            return made
    return folder


def key_of(market: EmbeddedMarket, contracts: Path | None = None) -> str:
    """A hash of all that decides a market: configuration, seed, products, calendars, and the code that makes it."""
    from importlib.metadata import version

    import kilohour

    root = Path(kilohour.__file__).parent
    parts = [root / name for name in ("datafeeds/embedded", "kernels", "contracts", "tape")]
    files = [file for part in parts for file in sorted(part.rglob("*")) if file.suffix in (".py", ".toml")]
    files += [root / "units.py", root / "maths.py", *([contracts] if contracts is not None else [])]
    digest = hashlib.blake2b(digest_size=10)
    digest.update(json.dumps([market.seed, market.config.to_dict(), version("exchange_calendars")], sort_keys=True).encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
