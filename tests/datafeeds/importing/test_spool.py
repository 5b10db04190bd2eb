# SPDX-License-Identifier: Apache-2.0
"""An external sort gives what a sort in memory gives."""

import numpy as np
import pytest

from kilohour.datafeeds.importing.spool import Spool


def by_time_and_row(columns):
    return np.lexsort((columns["row"], columns["ts"]))


def ordered(columns):
    order = by_time_and_row(columns)
    return {name: column[order] for name, column in columns.items()}


def rows(count, spread, seed=3):
    ts = np.random.default_rng(seed).integers(0, spread, count)
    return {"ts": ts, "row": np.arange(count), "code": (ts % 7).astype(np.int32)}


@pytest.mark.parametrize("spread", [1, 30, 10**15], ids=["one time", "few times", "many times"])
@pytest.mark.parametrize("batch", [997, 20_000])
def test_runs_on_disk_and_a_sort_in_memory_agree(tmp_path, spread, batch):
    given = rows(20_000, spread)
    spool = Spool(tmp_path, {"ts": np.int64, "row": np.int64, "code": np.int32}, time="ts", run_rows=4_000,
                  bucket_rows=8_192)
    for start in range(0, 20_000, batch):
        spool.add({name: column[start : start + batch] for name, column in given.items()})
        if spool.is_full:
            spool.spill()
    parts = [ordered(part) for part in spool.buckets()]
    order = by_time_and_row(given)
    for name, column in given.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), column[order])
    edges = [(part["ts"][0], part["ts"][-1]) for part in parts]
    assert all(last < first for (_, last), (first, _) in zip(edges, edges[1:], strict=False))
    assert len(parts) == 1 if spread == 1 else len(parts) >= 2


def test_runs_of_an_earlier_process_are_taken_up(tmp_path):
    given = rows(100, 1_000)
    dtypes = {name: column.dtype for name, column in given.items()}
    first = Spool(tmp_path, dtypes, time="ts")
    first.add({name: column[:60] for name, column in given.items()})
    first.spill()
    second = Spool(tmp_path, dtypes, time="ts", runs=first.runs)
    second.add({name: column[60:] for name, column in given.items()})
    (found,) = second.buckets()
    np.testing.assert_array_equal(ordered(found)["row"], given["row"][by_time_and_row(given)])


def test_nothing_gives_nothing(tmp_path):
    assert list(Spool(tmp_path, {"ts": np.int64}, time="ts").buckets()) == []
