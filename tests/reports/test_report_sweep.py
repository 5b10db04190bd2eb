# SPDX-License-Identifier: Apache-2.0
"""The sweep's page: every trial counted, the heat map a median, luck told from skill in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kilohour.errors import DataError
from kilohour.reports import figures
from kilohour.reports.sweep import write_sweep_report


def trials(
    windows: Sequence[int] = (20, 40, 60),
    entries: Sequence[float] = (1.0, 2.0),
    lots: Sequence[int] = (5, 10),
    outside: bool = True,
) -> pd.DataFrame:
    generator = np.random.default_rng(2)
    frame = pd.DataFrame(
        [(w, e, q) for w in windows for e in entries for q in lots], columns=["window", "entry", "lots"]
    )
    frame["sharpe"] = generator.normal(0, 1, len(frame))
    frame["net_usd"] = frame.sharpe * 1000
    frame["max_drawdown_usd"] = 500.0
    frame["fills"] = 40
    frame.loc[0, "sharpe"] = np.nan
    return frame.assign(out_of_sample_sharpe=frame.sharpe / 2) if outside else frame


def sweep_folder(tmp_path: Path, frame: pd.DataFrame, deflated: float | None = 0.62) -> Path:
    frame.to_parquet(tmp_path / "trials.parquet", index=False)
    best = frame.iloc[int(np.nanargmax(frame.sharpe))].to_dict() if frame.sharpe.notna().any() else None
    manifest = {"kilohour": "0.1.0", "strategy": {"name": "calendar-spread"}, "trials": len(frame), "best": best,
                "deflated_sharpe": deflated, "tape": {"source": "embedded", "start": "2020-01-02", "end": "2029-12-31"},
                "modelled": ["All prices are synthetic."], "assumptions": []}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_page_counts_trials_and_deflates(tmp_path):
    text = write_sweep_report(sweep_folder(tmp_path, trials())).read_text(encoding="utf-8")
    assert "the best of 12 is 62.0%: not to be told from luck" in text
    assert text.index("All prices are synthetic.") < text.index('class="figure"')
    for key in ("figure-map", "figure-outside", "figure-luck"):
        assert f'id="{key}"' in text
    assert "A cell is the median over" in text


def test_heat_map_is_the_median_of_pandas():
    frame = trials()
    heat = figures.sweep(frame).data[0]
    expected = frame.pivot_table(index="entry", columns="window", values="sharpe", aggfunc="median")
    if list(heat.x) != [str(c) for c in expected.columns]:
        expected = expected.T
    np.testing.assert_allclose(np.array(heat.z, dtype=float), expected.to_numpy())


@pytest.mark.parametrize("case", ["one parameter", "nothing varied", "names", "nothing defined", "nothing held back"])
def test_every_shape_of_sweep_has_a_page(tmp_path, case):
    frame = {
        "one parameter": trials(entries=(1.0,), lots=(5,)),
        "nothing varied": trials((20,), (1.0,), (5,)),
        "names": trials().assign(product=["SIM:H100", "SIM:B200"] * 6),
        "nothing defined": trials().assign(sharpe=np.nan, out_of_sample_sharpe=np.nan),
        "nothing held back": trials(outside=False),
    }[case]
    deflated = None if frame.sharpe.isna().all() else 0.97
    path = write_sweep_report(sweep_folder(tmp_path, frame, deflated))
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 6_000_000
    assert ("beyond the usual 95%" if deflated else "undefined, so nothing can be said") in text
    assert ("No data was held back" in text) == (case == "nothing held back")


def test_a_manifest_without_its_count_is_refused(tmp_path):
    folder = sweep_folder(tmp_path, trials())
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["trials"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="must state 'trials'"):
        write_sweep_report(folder)
    assert not (folder / "report.html").exists()
