# SPDX-License-Identifier: Apache-2.0
"""A page about a calibration of the embedded market: what was asked, what was reached, and observed prices beside simulated ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kilohour.reports.charts.calibration import beside
from kilohour.reports.page import escape, figure, section, table, write_page
from kilohour.reports.table import Floats

RATIOS = ("volatility", "forward", "term", "markdown")


def write_calibration_page(path: Path, found: Mapping[str, Any], days: Sequence[str], quantiles: Mapping[str, Floats],
                           points: Sequence[tuple[str, str, float]]) -> Path:
    """Writes one offline page: ``found`` is the object of ``--json``, ``points`` are product, ISO day and observed price."""
    missed = found["missed"]
    told = f"{len(found['targets']) - len(missed)} of {len(found['targets'])} targets are met within their tolerance"
    body = [
        f"<header><h1>Calibration of the embedded market</h1><p>{escape(told)}; means over {found['seeds']} seeds.</p></header>",
        section("targets", "What was asked and reached", table(HEAD, [_row(one, missed) for one in found["targets"]], words="Source"),
                lead="The check is the fitted market on seeds that the fit did not see: it shows how much of a mean over so few seeds "
                "is chance."),
        section("parameters", "Parameters", table(("Parameter", "Before", "After"), [
            [escape(name), f"{pair['before']:.4g}", f"{pair['after']:.4g}"] for name, pair in found["parameters"].items()])),
        *(_prices(code, days, quantiles[code], points) for code in quantiles if any(product == code for product, _, _ in points)),
        "<footer>This file loads nothing from the network.</footer>",
    ]  # fmt: skip
    return write_page(path, "Calibration of the embedded market", "".join(body))


HEAD = ("Target", "Asked", "Tolerance", "Before", "After", "Check", "Met", "Source")


def _row(one: Mapping[str, Any], missed: Sequence[str]) -> list[str]:
    name = one["target"]
    numbers = [_number(name, one[key]) for key in ("value", "tolerance", "before", "after", "checked")]
    return [escape(name), *numbers, "no" if name in missed else "yes", escape(one["source"])]


def _number(name: str, value: float) -> str:
    return f"{100 * value:.1f} %" if any(word in name for word in RATIOS) else f"{value:.3g}"


def _prices(code: str, days: Sequence[str], quantiles: Floats, points: Sequence[tuple[str, str, float]]) -> str:
    own = [(day, price) for product, day, price in points if product == code]
    key = code.replace(":", "-").lower()
    x = np.array([_milliseconds(day) for day in days])
    observed = np.array([_milliseconds(day) for day, _ in own]), np.array([price for _, price in own])
    lead = "Bands: the fitted market on the seeds of the check. A published path is one of many that could have been."
    return section(key, code, figure(key, beside(x, quantiles, observed), f"Observed and simulated prices of {code}"), lead=lead)


def _milliseconds(day: str) -> float:
    return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC).timestamp() * 1000.0
