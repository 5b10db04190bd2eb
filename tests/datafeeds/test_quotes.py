# SPDX-License-Identifier: Apache-2.0
"""The table of quotes in memory and on disk: order, selection by what was known, damage."""

import json

import numpy as np
import pytest

from kilohour.datafeeds.quotes import COLUMNS, Quote, Quotes
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.units import MISSING


def quote(**changes):
    given = {"seen": 10, "quoted": 9, "price": 2_000_000, "provider": "AWS", "segment": "hyperscaler", "chip": "H100",
             "region": "us-east-1", "zone": "a", "term": "spot", "offer": "p5.48xlarge", "source": "by hand"}
    return Quote(**(given | changes))


ROWS = [quote(seen=30, quoted=30, zone="b", price=3_000_000), quote(), quote(zone="b", size=8), quote(term="1y", provider="GCP", seen=20)]


def test_rows_come_in_the_order_they_were_seen_whatever_order_they_are_given_in():
    forward, backward = Quotes.of(ROWS), Quotes.of(reversed(ROWS))
    assert forward.seen.tolist() == [10, 10, 20, 30]
    assert forward.text("zone").tolist() == ["a", "b", "a", "b"]
    assert forward.size.tolist() == [MISSING, 8, MISSING, MISSING]
    for name in COLUMNS:
        assert getattr(forward, name).tolist() == getattr(backward, name).tolist()


def test_a_selection_knows_neither_later_rows_nor_their_names():
    known = Quotes.of(ROWS).where(known_by=19)
    assert known.seen.tolist() == [10, 10]
    assert known.names["provider"] == ("AWS",)
    assert Quotes.of(ROWS).where(term=("1y", "spot"), zone="a", seen_from=11).text("provider").tolist() == ["GCP"]
    with pytest.raises(UnknownName, match="did you mean 'H100'"):
        Quotes.of(ROWS).where(chip="H10")
    with pytest.raises(UnknownName, match="unknown column 'chips' in quotes; did you mean 'chip'"):
        Quotes.of(ROWS).where(chips="H100")


def test_what_becomes_known_later_changes_no_earlier_selection():
    earlier = Quotes.of(ROWS).where(known_by=19)
    changed = Quotes.of([row if row.seen <= 19 else quote(seen=row.seen, price=9, provider="Other") for row in ROWS]).where(known_by=19)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(earlier, name), getattr(changed, name))
    assert earlier.names == changed.names


@pytest.mark.parametrize(("changes", "words"), [
    ({"price": 0}, "row 0, column 'price': must be above zero, found 0"),
    ({"quoted": 11}, "column 'quoted': must not be after 'seen', found 11"),
    ({"count": 0}, "column 'count': must be 1 or more"),
    ({"size": -8}, "column 'size': must be 1 or more, or MISSING"),
    ({"term": "spott"}, "unknown term 'spott' in quotes; did you mean 'spot'"),
    ({"segment": "cloud"}, "unknown segment 'cloud'"),
])
def test_a_quote_that_breaks_a_rule_is_refused(changes, words):
    with pytest.raises((DataError, UnknownName)) as error:
        Quotes.of([quote(**changes)])
    assert words in str(error.value)


def test_one_offer_has_one_price_a_time():
    with pytest.raises(DataError, match=r"row 1: an offer needs one price a term and time seen, found a second of 'p5.48xlarge'"):
        Quotes.of([quote(), quote(price=1)])


def test_a_folder_gives_back_what_was_written_and_refuses_damage(tmp_path):
    saved = Quotes.of(ROWS).save(tmp_path / "q", notes=["by hand"])
    found = Quotes.load(tmp_path / "q")
    assert (found.sha256, found.notes, found.names) == (saved.sha256, ("by hand",), saved.names)
    for name in COLUMNS:
        assert getattr(found, name).tolist() == getattr(saved, name).tolist()
    assert Quotes.load(tmp_path / "q", known_by=19, zone="b").price.tolist() == [2_000_000]
    assert Quotes.of(ROWS).save(tmp_path / "again", notes=["by hand"]).sha256 == saved.sha256
    manifest = json.loads((tmp_path / "q" / "manifest.json").read_text())
    (tmp_path / "q" / "manifest.json").write_text(json.dumps(manifest | {"notes": []}))
    with pytest.raises(DataError, match="was changed after it was written"):
        Quotes.load(tmp_path / "q")


def test_a_part_that_was_swapped_is_found_by_its_hash(tmp_path):
    Quotes.of(ROWS).save(tmp_path / "q")
    Quotes.of([quote(price=1, zone="b"), *ROWS[3:]]).save(tmp_path / "other")
    (tmp_path / "other" / "quotes-00000.parquet").replace(tmp_path / "q" / "quotes-00000.parquet")
    with pytest.raises(DataError, match=r"must hold 4 rows of sha256 .* found 2 of"):
        Quotes.load(tmp_path / "q")


def test_a_truncated_part_is_refused(tmp_path):
    Quotes.of(ROWS).save(tmp_path / "q")
    part = tmp_path / "q" / "quotes-00000.parquet"
    part.write_bytes(part.read_bytes()[:-40])
    with pytest.raises(DataError, match="must be a readable Parquet file"):
        Quotes.load(tmp_path / "q")


def test_nothing_but_quotes_is_written_over(tmp_path):
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="found 'mine.txt' in it"):
        Quotes.of(ROWS).save(tmp_path / "q")


def test_a_frame_shows_dollars_times_and_texts():
    frame = Quotes.of(ROWS).frame()
    assert frame["usd_per_gpu_h"].tolist() == [2.0, 2.0, 2.0, 3.0]
    assert frame["size"].isna().tolist() == [True, False, True, True]
    assert frame["term"].tolist() == ["spot", "spot", "1y", "spot"]
