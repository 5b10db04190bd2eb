# SPDX-License-Identifier: Apache-2.0
"""``report.html`` of a fan: what a strategy may earn or lose under a scenario, path by path, and which seeds to look at."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.errors import DataError
from kilohour.reports.charts import fan as charts
from kilohour.reports.folder import read_manifest
from kilohour.reports.page import details, escape, fields, figure, number, percent, section, table, tiles, usd, write_page
from kilohour.reports.sections import modelled
from kilohour.reports.table import Table, read_table

LISTED = 25


def write_fan_report(folder: Path) -> Path:
    """Writes ``report.html`` beside a fan's ``manifest.json``, ``paths.parquet``, ``equity.parquet`` and ``front.parquet``.

    ``equity`` and ``front`` have a column ``day`` (ISO) and one a seed. Raises DataError when something is missing.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    for key in ("result", "scenario"):
        if not isinstance(manifest.get(key), dict):
            raise DataError(f"the manifest of a fan must state {key!r}, found {', '.join(sorted(manifest))}")
    paths = read_table(folder / "paths.parquet", ("seed", "net_micros", "net_usd", "max_drawdown_usd", "margin_calls"))
    equity, front = (read_table(folder / f"{name}.parquet", ("day",)) for name in ("equity", "front"))
    title = f"{manifest['strategy']['name']} under {manifest['scenario']['name']}"
    return write_page(folder / "report.html", title, "".join(_body(title, manifest, paths, equity, front)))


def _body(title: str, manifest: dict[str, Any], paths: Table, equity: Table, front: Table) -> list[str]:
    result, words = manifest["result"], manifest["scenario"]
    tape = manifest.get("tape", {})
    header = (
        f"<header><h1>{escape(title)}</h1><p>{escape(' '.join(str(words.get('about', '')).split()))}</p>"
        f"<p>{escape(str(tape.get('start'))[:10])} to {escape(str(tape.get('end'))[:10])} (UTC) · {escape(tape.get('source'))}</p></header>"
    )
    seeds = paths.integers("seed")
    shown = {f"{word.capitalize()} path, seed {result[word]['seed']}": int(np.flatnonzero(seeds == result[word]["seed"])[0])
             for word in ("worst", "median")}  # fmt: skip
    days = np.array([_milliseconds(equity.strings["day"].text(row)) for row in range(equity.rows)])
    names = [str(seed) for seed in seeds]
    money = np.stack([equity.integers(name) for name in names]) / 1e6
    prices = np.stack([front.floats(name) for name in names])
    footer = f"<footer>kilohour {escape(manifest.get('kilohour'))}. This file loads nothing from the network.</footer>"
    return [
        header,
        _headline(result),
        modelled(manifest),
        section("scenario", "The scenario", _words(words)),
        section("equity", "Equity", figure("equity", charts.bands(days, money, shown, "Equity, USD", start=result["cash_usd"]),
                                           "Bands of equity through time"),
                lead="A band says how many paths lie within it on that day; no single path follows its edge."),
        section("front", "Front price", figure("front", charts.bands(days, prices, shown, "USD per GPU-hour"), "Bands of the front price"),
                lead="Fair value of the first month that is not fixing yet, on the same paths."),
        section("spread", "What was left", figure("net", charts.spread(paths.floats("net_usd"), "Net profit, USD"), "Net profit by path"),
                _quantiles(result)),
        section("paths", "Paths", _list(paths, result)),
        footer,
    ]  # fmt: skip


def _milliseconds(day: str) -> float:
    return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC).timestamp() * 1000.0


def _headline(r: dict[str, Any]) -> str:
    net, fall, chance = r["net_usd"], r["max_drawdown_usd"], r["chance"]
    error = f" ± {_usd(r['mean_net_error_usd'])}" if r.get("mean_net_error_usd") is not None else ""
    boxes = [
        ("Paths", number(r["paths"]), f"seeds {r['first_seed']} to {r['last_seed']}"),
        ("Median net profit", _usd(net["50"]), f"mean {_usd(r['mean_net_usd'])}{error}"),
        ("Worst of 20", _usd(net["5"]), "5 % of paths end lower"),
        ("Best of 20", _usd(net["95"]), "5 % of paths end higher"),
        ("Median drawdown", _usd(fall["50"]), f"{_usd(fall['95'])} in the worst of 20"),
        ("Margin call", percent(chance["margin_call"]), "of paths had at least one"),
        ("Half lost", percent(chance["half_lost"]), "of paths were ever at half their cash"),
        ("Ruin", percent(chance["ruin"]), "of paths were ever at zero or below"),
    ]
    verdict = (f"{percent(chance['profit'], 0)} of {r['paths']:,} paths end with a profit; half of them between {_usd(net['25'])} and "
               f"{_usd(net['75'])}. Every price is synthetic: this says what the scenario does to the strategy, not what will happen.")
    return f'<p class="verdict">{verdict}</p>{tiles(boxes)}'


def _words(words: dict[str, Any]) -> str:
    rows = []
    for kind in ("winter", "adoption", "launch", "capacity_delay", "supply_shock", "restatement"):
        for event in words.get(kind, ()):
            said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in event.items() if value not in ([], ""))
            rows.append((kind.replace("_", " "), escape(said)))
    market = ", ".join(f"{name} {value}" for name, value in words.get("market", {}).items() if not isinstance(value, list))
    return fields([*rows, ("base market", escape(market or "the default"))])


def _quantiles(r: dict[str, Any]) -> str:
    titles = {"net_usd": "Net profit", "max_drawdown_usd": "Largest drawdown", "front_usd": "Front price at the end",
              "sharpe": "Sharpe ratio", "margin_calls": "Margin calls"}  # fmt: skip
    levels = list(r["net_usd"])
    rows = [[escape(title), *(_cell(key, r[key][level]) for level in levels)] for key, title in titles.items()]
    return table(["Quantile", *(f"{level} %" for level in levels)], rows)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "n/a"
    places = {"front_usd": 2, "sharpe": 2}.get(key, 0)
    return _usd(value, places) if key.endswith("_usd") else number(value, places)


def _list(paths: Table, r: dict[str, Any]) -> str:
    order = np.argsort(paths.integers("net_micros"), kind="stable")
    names = [name for name in ("net_usd", "max_drawdown_usd", "lowest_usd", "margin_calls", "fills", "front_usd") if name in paths.numbers]
    heads = {"net_usd": "Net profit", "max_drawdown_usd": "Drawdown", "lowest_usd": "Lowest equity", "margin_calls": "Margin calls",
             "fills": "Fills", "front_usd": "Front at the end"}  # fmt: skip
    seeds = paths.integers("seed")
    rows = [[f"<code>{seeds[row]}</code>", *(_cell(name, float(paths.numbers[name][row])) for name in names)] for row in order[:LISTED]]
    told = (f'<p class="lead">Worst path: seed {r["worst"]["seed"]} ({usd(r["worst"]["net_micros"])}); median: seed {r["median"]["seed"]} '
            f'({usd(r["median"]["net_micros"])}); best: seed {r["best"]["seed"]} ({usd(r["best"]["net_micros"])}). Rerun one alone with '
            "<code>--scenario FILE --market SEED</code>.</p>")
    head = ["Seed", *(heads[name] for name in names)]
    return told + details(f"The {len(rows)} worst paths; all are in paths.parquet", table(head, rows, tall=True))


def _usd(value: float | None, places: int = 0) -> str:
    return "n/a" if value is None else ("−$" if value < 0 else "$") + number(abs(value), places)
