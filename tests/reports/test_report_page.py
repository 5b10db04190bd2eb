# SPDX-License-Identifier: Apache-2.0
"""The page itself: every section in every kind of run, from the folder alone, with nothing loaded from outside."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kilohour.errors import DataError
from kilohour.reports.charts.style import thin
from kilohour.reports.folder import COLUMNS
from kilohour.reports.report import write_report
from tests.reports.conftest import make_run_folder

SIZE_MAX = 6_000_000
SECTIONS = ["assumptions", "equity", "curve", "positions", "trades", "profit", "margin", "months", "settlements", "orders", "details"]
DRAWN = {
    "figure-equity": {"Strategy", "Same average exposure, held and rolled", "Nothing held", "Drawdown"},
    "figure-surface-0": {"surface"}, "figure-days-0": {"Chosen day"},
    "figure-positions": {"heatmap"},
    "figure-trades": {"Price", "Bought", "Sold", "z", "spread"},
    "figure-purpose": {"waterfall"}, "figure-contracts": {"SIM:H100"},
    "figure-margin": {"Equity", "Initial margin", "Maintenance margin"},
}  # fmt: skip
"""What a run with trades must draw, by figure: names of traces, or their kinds. Written out, so that the page cannot lose one unseen."""

RUNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one day": {"days": 1},
    "no trades": {"trade": False, "records": False, "days": 40},
    "nothing at all": {"trade": False, "records": False, "days": 0},
    "no records": {"records": False, "days": 80},
    "negative prices": {"shift": -3_500_000, "days": 300},
    "two products, margin calls": {"products": ("SIM:H100", "SIM:B200"), "days": 200, "calls": 3},
    "ruin": {"lots": 900, "start": 2_000_000_000_000, "days": 800},
    "eighteen years": {"days": 4536},
}


class Page(HTMLParser):
    """What a browser would load, the sections, the text outside scripts, and the figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.sections: list[str | None] = []
        self.words: list[str] = []
        self.places: list[str | None] = []
        self.figures: dict[str, Any] = {}
        self.inside: str | None = None
        self.figure: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        got = dict(attrs)
        self.loads += [link for key in ("src", "href", "srcset", "data", "action", "poster") if (link := got.get(key))]
        self.loads += re.findall(r"url\(([^)]*)\)", got.get("style") or "")
        if tag == "section":
            self.sections.append(got["id"])
        if got.get("class") == "figure":
            self.places.append(got["id"])
        if tag in ("script", "style"):
            self.inside, self.figure = tag, got.get("data-figure")

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.inside = self.figure = None

    def handle_data(self, data):
        if self.inside == "style":
            self.loads += re.findall(r"url\(([^)]*)\)|@import\s*([^;]*)", data)
        elif self.figure:
            self.figures[self.figure] = json.loads(data)
        elif self.inside is None:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module", params=RUNS, ids=str)
def page(request, tmp_path_factory):
    """The page of a run, written once for all that only read it."""
    path = write_report(make_run_folder(tmp_path_factory.mktemp("page") / "run", **RUNS[request.param]))
    return request.param, path, Page(path.read_text(encoding="utf-8"))


def test_every_section_stands_in_every_kind_of_run(page):
    _, path, found = page
    assert path.name == "report.html"
    assert found.sections == SECTIONS
    assert path.stat().st_size < SIZE_MAX
    assert sorted(found.places) == sorted(found.figures)
    assert not list(path.parent.glob("*.part"))


def test_a_run_with_trades_draws_and_tells_all_that_was_promised(make_run):
    """Profit by product, roll, cost and settlement; twelve months and a total; a settlement's mean: as words of the tables."""
    found = Page(write_report(make_run(days=300)).read_text(encoding="utf-8"))
    for key, names in DRAWN.items():
        told = {trace.get("name") or trace["type"] for trace in found.figures[key]["data"]}
        assert names <= told, key
    profit = ["Trading", "Final settlement", "Trading costs", "Roll costs", "Liquidation costs", "Settlement fees", "Net"]
    months = ["Year", "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", "Total"]
    told = " ".join(found.text.split())
    for row in (["Product", *profit], months, ["Contract", r"Settled \(UTC\)", "Lots", "Final price", "Sum of prints"]):
        assert re.search(" ".join(row), told), row


def test_nothing_is_loaded_from_outside(page):
    _, path, found = page
    assert [link for link in found.loads if not re.match(r"#|data:,$", link)] == []
    assert "default-src 'none'" in path.read_text(encoding="utf-8")[:600]


def test_the_headline_is_the_manifest(page):
    name, path, found = page
    result = json.loads((path.parent / "manifest.json").read_text())["result"]
    shown = found.text
    for key in ("net", "max_drawdown", "fees", "margin_peak", "equity_start"):
        dollars = f"${abs(result[f'{key}_micros']) / 1e6:,.0f}"
        assert dollars in shown, (name, key)
    assert (f"{abs(result['sharpe']):,.2f}" if result["sharpe"] is not None else "n/a") in shown
    assert f"{result['lots_traded']:,} lots in {result['fills']:,} fills" in shown


def test_empty_parts_say_so(page):
    name, _, found = page
    says = {
        "no trades": ["The strategy never traded", "No settlements in this run", "No position was held",
                      "No order was made",
                      "recorded no columns", "No trade was made", "No margin was required", "Nothing was booked"],
        "nothing at all": ["no equity to draw", "there is no curve", "covers no month"],
        "no records": ["recorded no columns"],
        "one day": ["never traded"],
        "ruin": ["the account was ruined on the way"],
        "two products, margin calls": ["3 margin calls"],
    }  # fmt: skip
    for sentence in says.get(name, []):
        assert sentence in found.text
    if name == "plain":
        assert not [s for sentences in says.values() for s in sentences if s in found.text]


def test_the_assumptions_stand_above_every_figure(page):
    _, path, found = page
    text = path.read_text(encoding="utf-8")
    manifest = json.loads((path.parent / "manifest.json").read_text())
    first = text.find('class="figure"') if found.figures else len(text)
    for sentence in [*manifest["modelled"], *manifest["tape"]["notes"], "margin_initial_ppm", "gpu1-2026.toml"]:
        assert 0 < text.find(sentence.replace("'", "&#x27;")) < first


def test_notes_on_products_not_traded_are_left_to_the_manifest(make_run):
    folder = make_run(days=30)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tape"]["notes"] = ["SIM:H100: two prints were restated", "NYMEX:NG: 30 settlements missing", "no volume"]
    manifest["modelled"] += manifest["tape"]["notes"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    text = write_report(folder).read_text(encoding="utf-8")
    box = text[text.index('id="assumptions"') : text.index('id="equity"')]
    assert [box.count(note) for note in manifest["tape"]["notes"]] == [1, 0, 1]


def unpack(array: Any) -> np.ndarray[Any, Any]:
    if isinstance(array, dict):
        return np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"])
    return np.array(array, dtype=float)


def test_drawn_equity_is_the_table(make_run):
    folder = make_run(days=252)
    drawn = Page(write_report(folder).read_text(encoding="utf-8")).figures["figure-equity"]["data"]
    table = pq.read_table(folder / "equity.parquet").to_pydict()
    strategy = next(trace for trace in drawn if trace["name"] == "Strategy")
    assert unpack(strategy["y"]).tolist() == [v / 1e6 for v in table["equity_micros"]]
    assert unpack(strategy["x"]).tolist() == [t / 1e6 for t in table["ts"]]
    baseline = next(trace for trace in drawn if "held and rolled" in trace["name"])
    assert unpack(baseline["y"]).tolist() == [v / 1e6 for v in table["baseline_micros"]]


def test_the_settlement_ledger_shows_sum_over_count(make_run):
    folder = make_run(days=300)
    text = Page(write_report(folder).read_text(encoding="utf-8")).text
    rows = pq.read_table(folder / "settlements.parquet").to_pylist()
    assert rows
    for row in rows:
        assert row["contract"] in text
        assert f"{row['prints_sum_micros'] / row['fixings'] / 1e6:,.6f}" in text


def test_refusals_are_counted_by_code(make_run):
    folder = make_run(days=504)
    text = " ".join(Page(write_report(folder).read_text(encoding="utf-8")).text.split())
    codes = [r["code"] for r in pq.read_table(folder / "orders.parquet").to_pylist() if r["status"] == "refused"]
    for code in set(codes):
        assert re.search(rf"{code} [a-z ]+ {codes.count(code)}", text)


def test_text_from_the_run_cannot_become_markup(make_run):
    folder = make_run(days=40)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["strategy"]["doc"] = "</script><script>alert(1)</script>"
    manifest["modelled"] = ["<img src=http://example.org/x.png>"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    found = Page(write_report(folder).read_text(encoding="utf-8"))
    assert not [link for link in found.loads if "example" in link]
    assert "alert(1)" in found.text


def test_minute_equity_and_many_fills_stay_under_the_limit(make_run):
    folder = make_run(days=300)
    for name, times in (("equity", 1000), ("fills", 700), ("records", 1000), ("prices", 100)):
        table = pq.read_table(folder / f"{name}.parquet")
        wide = pa.concat_tables([table] * times)
        step = (
            np.sort(np.tile(table.column("ts").to_numpy(), times))
            + np.tile(np.arange(times), table.num_rows) * 60 * 10**9
        )
        wide = wide.set_column(wide.column_names.index("ts"), "ts", pa.array(np.sort(step)))
        if name == "fills":
            wide = wide.set_column(wide.column_names.index("fee_micros"), "fee_micros", pa.array([0] * wide.num_rows))
        pq.write_table(wide, folder / f"{name}.parquet")
    ledger = pq.read_table(folder / "ledger.parquet").to_pandas()
    manifest = json.loads((folder / "manifest.json").read_text())
    kept = ledger[ledger.kind != "fee"]
    manifest["result"]["net_micros"] = int(kept.micros.sum())
    pq.write_table(pa.Table.from_pandas(kept, preserve_index=False), folder / "ledger.parquet")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    path = write_report(folder)
    assert path.stat().st_size < SIZE_MAX
    strategy = Page(path.read_text(encoding="utf-8")).figures["figure-equity"]["data"][2]
    equity = pq.read_table(folder / "equity.parquet").column("equity_micros").to_numpy() / 1e6
    drawn = unpack(strategy["y"])
    assert len(drawn) < 4000
    assert (drawn.min(), drawn.max(), drawn[0], drawn[-1]) == (equity.min(), equity.max(), equity[0], equity[-1])


@given(hnp.arrays(np.float64, st.integers(0, 400), elements=st.floats(-1e6, 1e6) | st.just(np.nan)), st.integers(2, 80))
def test_thinning_keeps_ends_and_extremes(values, limit):
    kept = thin(values, limit)
    assert len(kept) <= max(limit, 4) + 2
    assert np.array_equal(kept, np.unique(kept))
    if len(values):
        assert (kept[0], kept[-1]) == (0, len(values) - 1)
    if not np.isnan(values).all():
        assert (np.nanmin(values[kept]), np.nanmax(values[kept])) == (np.nanmin(values), np.nanmax(values))


@pytest.mark.parametrize("name", [*COLUMNS, "manifest"])
def test_a_missing_file_is_named_and_nothing_is_written(make_run, name):
    folder = make_run(days=20)
    file = folder / ("manifest.json" if name == "manifest" else f"{name}.parquet")
    file.unlink()
    with pytest.raises(DataError, match=f"must hold {re.escape(file.name)}"):
        write_report(folder)
    assert not list(folder.glob("report*"))


def test_a_missing_column_is_named(make_run):
    folder = make_run(days=20)
    table = pq.read_table(folder / "fills.parquet")
    pq.write_table(table.drop_columns(["purpose"]), folder / "fills.parquet")
    with pytest.raises(DataError, match="table 'fills' must have the column 'purpose'"):
        write_report(folder)


def test_the_report_needs_only_the_folder_and_imports_neither_pandas_nor_plotly(make_run, tmp_path):
    folder = shutil.copytree(make_run(days=60), tmp_path / "moved elsewhere")
    code = (
        "import sys; from pathlib import Path; from kilohour.reports.report import write_report\n"
        "write_report(Path(sys.argv[1]))\n"
        "print([m for m in ('pandas', 'plotly', 'scipy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_same_folder_gives_the_same_bytes(make_run):
    folder = make_run(days=60)
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_dollars_are_rounded_half_even_whatever_a_library_has_set():
    import decimal

    from kilohour.reports.page import usd

    with decimal.localcontext() as context:
        context.rounding = decimal.ROUND_HALF_UP
        assert (usd(11_470_500_000), usd(-11_471_500_000), usd(125_000, 2)) == ("$11,470", "−$11,472", "$0.12")
