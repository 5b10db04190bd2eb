# SPDX-License-Identifier: Apache-2.0
"""An index worked by hand: filters, votes, the rule across them, the move filter, missing days, publication."""

import datetime as dt
from fractions import Fraction

import numpy as np
import pytest
import scipy

from kilohour.datafeeds.index import Method, build_index, shipped_methods
from kilohour.datafeeds.index.across import across
from kilohour.datafeeds.index.taped import tape_of
from kilohour.datafeeds.quotes import Quote, Quotes
from kilohour.errors import DataError, UnknownName, UsageError
from kilohour.tape import Kind
from kilohour.units import day_of, nanos_of

TEXT = """
name = "by-hand"
code = "BY-HAND"
title = "worked by hand"
unit = "USD per GPU-hour"
[filters]
chips = ["H100"]
segments = ["neocloud"]
terms = ["on-demand"]
price_min = 0.5
price_max = 20.0
[window]
hours = 24
end = "16:00"
[voter]
by = "provider"
average = "mean"
[across]
rule = "median"
voters_min = 2
[publication]
delay_minutes = 30
calendar = "24/7"
missing = "no print"
"""


def method(**changes):
    text = TEXT
    for key, value in changes.items():
        lines = [line for line in text.splitlines() if line.startswith(f"{key} =")]
        text = text.replace(lines[0], f"{key} = {value}")
    return Method.parse(text)


def at(text):
    return nanos_of(dt.datetime.fromisoformat(f"2026-{text}:00+00:00"))


def quote(when, provider, dollars, **more):
    seen = at(when)
    return Quote(**{"seen": seen, "quoted": seen, "price": round(dollars * 1e6), "provider": provider, "segment": "neocloud",
                    "chip": "H100", "term": "on-demand", "offer": f"{provider} {when} {dollars}", "source": "hand", **more})


def values(series):
    return [(str(dt.date(1970, 1, 1) + dt.timedelta(days=p.day))[5:], float(p.value) / 1e6) for p in series.prints]


THREE = [quote("03-02 10:00", "a", 2.0), quote("03-02 15:59", "a", 3.0), quote("03-02 09:00", "b", 2.6), quote("03-02 08:00", "c", 9.0)]


def test_a_provider_has_one_vote_whatever_it_lists():
    """a's mean is 2.50, b 2.60, c 9.00: the median of the three is 2.60."""
    assert values(build_index(Quotes.of(THREE), method())) == [("03-02", 2.6)]


def test_the_window_is_open_at_its_end():
    """A quote of 16:00 sharp belongs to the next value day."""
    late = [*THREE, quote("03-02 16:00", "b", 8.0), quote("03-03 10:00", "a", 4.0)]
    assert values(build_index(Quotes.of(late), method())) == [("03-02", 2.6), ("03-03", 6.0)]


def test_a_window_of_two_days_reads_a_quote_twice():
    series = build_index(Quotes.of([*THREE, quote("03-03 10:00", "a", 4.0)]), method(hours=48))
    assert values(series) == [("03-02", 2.6), ("03-03", 3.0)]  # a: (2 + 3 + 4) / 3 = 3, b 2.6, c 9


@pytest.mark.parametrize(("average", "of_a"), [("mean", 2.5), ("median", 2.5), ("last", 3.0), ("minimum", 2.0)])
def test_the_average_within_a_provider(average, of_a):
    two = [row for row in THREE if row.provider in "ab"]
    series = build_index(Quotes.of(two), method(average=f'"{average}"', rule='"mean"'))
    assert float(series.prints[0].value) / 1e6 == pytest.approx((of_a + 2.6) / 2, abs=1e-12)


def test_a_mean_over_offers_counts_each_offer():
    """b shows an average over 3 offers at 2.00 and one offer at 6.00: its mean is 3.00."""
    rows = [quote("03-02 10:00", "b", 2.0, count=3), quote("03-02 11:00", "b", 6.0), quote("03-02 11:00", "a", 3.0)]
    assert values(build_index(Quotes.of(rows), method())) == [("03-02", 3.0)]


def test_what_each_filter_leaves_out_is_counted():
    more = [quote("03-02 10:00", "d", 0.49), quote("03-02 10:00", "d", 20.01), quote("03-02 10:00", "e", 3.0, chip="B200"),
            quote("03-02 10:00", "e", 3.0, segment="hyperscaler"), quote("03-02 10:00", "e", 3.0, term="spot"),
            quote("03-02 10:00", "e", 3.0, flag="suspect_low")]  # fmt: skip
    series = build_index(Quotes.of([*THREE, *more]), method())
    assert values(series) == [("03-02", 2.6)]
    told = {name: count for name, count in series.told.items() if count}
    assert told == {"quotes": 10, "other chips": 1, "other segments": 1, "other terms": 1, "flagged": 1, "below price_min": 1,
                    "above price_max": 1, "used": 4}


def test_a_vote_that_jumps_waits_until_it_has_stood_there():
    """move_max 20 %, move_days 2: b's jump from 2.00 to 3.00 counts on its second day. Nothing looks ahead."""
    rows = [quote(f"03-0{day} 10:00", "a", 2.0) for day in (2, 3, 4)]
    rows += [quote("03-02 10:00", "b", 2.0), quote("03-03 10:00", "b", 3.0), quote("03-04 10:00", "b", 3.0)]
    text = TEXT.replace("price_max = 20.0", "price_max = 20.0\nmove_max = 0.2\nmove_days = 2").replace("voters_min = 2", "voters_min = 1")
    series = build_index(Quotes.of(rows), Method.parse(text))
    assert values(series) == [("03-02", 2.0), ("03-03", 2.0), ("03-04", 2.5)]
    assert series.told["votes moved too far"] == 1
    assert values(build_index(Quotes.of(rows[:2] + rows[3:5]), Method.parse(text))) == [("03-02", 2.0), ("03-03", 2.0)]


def test_a_missing_day_is_repeated_only_as_long_as_the_method_says():
    rows = [*THREE, quote("03-06 10:00", "a", 3.0), quote("03-06 10:00", "b", 3.0)]
    assert [day for day, _ in values(build_index(Quotes.of(rows), method()))] == ["03-02", "03-06"]
    text = TEXT.replace('missing = "no print"', 'missing = "last"\nmissing_days_max = 2')
    series = build_index(Quotes.of(rows), Method.parse(text))
    assert [(day, p.is_repeated) for (day, _), p in zip(values(series), series.prints, strict=True)] == [
        ("03-02", False), ("03-03", True), ("03-04", True), ("03-06", False)]
    assert series.told["days without a print"] == 1


def test_weekends_are_no_print_days_of_a_business_calendar():
    rows = [quote(f"03-0{day} 10:00", who, 3.0) for day in (6, 7, 9) for who in "ab"]
    assert [day for day, _ in values(build_index(Quotes.of(rows), method(calendar='"XNYS"')))] == ["03-06", "03-09"]


def test_a_print_is_known_when_it_is_published():
    series = build_index(Quotes.of(THREE), method())
    assert series.known_at.tolist() == [at("03-02 16:30")]
    tape = tape_of(series, "hand")
    rows = tape.frame(Kind.PRINT)
    assert [str(rows["event_time"][0]), float(rows["close"][0])] == ["2026-03-02 00:00:00+00:00", 2.6]
    assert int(tape.events["ts"][0]) == at("03-02 16:30")
    assert day_of(dt.date(2026, 3, 2)) == series.prints[0].day


def test_the_rules_across_votes_agree_with_scipy():
    votes = [Fraction(n) for n in (7, 3, 250, 11, 5, 6, 4, 9, 8, 10)]
    floats = np.array([float(v) for v in votes])
    share = Fraction(1, 5)
    assert float(across("trimmed", votes, share=share)) == pytest.approx(scipy.stats.trim_mean(floats, 0.2), rel=1e-14)
    winsorised = scipy.stats.mstats.winsorize(floats, limits=(0.2, 0.2)).mean()
    assert float(across("winsorised", votes, share=share)) == pytest.approx(winsorised, rel=1e-14)
    assert across("median", votes) == Fraction(15, 2)
    assert across("mean", votes) == Fraction(313, 10)
    assert across("weighted", [Fraction(2), Fraction(5)], [Fraction(1), Fraction(3)]) == Fraction(17, 4)


def test_weights_by_size_and_by_provider():
    rows = [quote("03-02 10:00", "a", 2.0, size=8), quote("03-02 10:00", "b", 3.0, size=24)]
    text = TEXT.replace('rule = "median"', 'rule = "weighted"\nweights = "size"')
    assert values(build_index(Quotes.of(rows), Method.parse(text))) == [("03-02", 2.75)]
    fixed = TEXT.replace('rule = "median"', 'rule = "weighted"\nweights = { a = 3.0, b = 1.0 }')
    assert values(build_index(Quotes.of(rows), Method.parse(fixed))) == [("03-02", 2.25)]
    with pytest.raises(DataError, match=r"must name every provider that quotes, found none for 'b'"):
        build_index(Quotes.of(rows), Method.parse(fixed.replace(", b = 1.0", "")))
    with pytest.raises(DataError, match=r"needs the size of every quote, found none in row 0 \(c\)"):
        build_index(Quotes.of(THREE), Method.parse(text))


def test_a_vote_a_zone():
    rows = [quote("03-02 10:00", "a", price, zone=zone) for price, zone in ((2.0, "x"), (3.0, "y"), (7.0, "z"))]
    series = build_index(Quotes.of(rows), method(by='"provider and zone"'))
    assert [(v.voter, v.provider) for v in series.votes[series.prints[0].day]] == [("a x", "a"), ("a y", "a"), ("a z", "a")]
    assert values(series) == [("03-02", 3.0)]


def test_segments_are_mixed_by_an_explicit_word_only_and_it_is_told():
    text = TEXT.replace('segments = ["neocloud"]', 'segments = ["neocloud", "hyperscaler"]')
    with pytest.raises(UsageError, match="segments must be one, or say mix_segments = true, found neocloud, hyperscaler"):
        Method.parse(text)
    mixed = Method.parse(text.replace("price_min", "mix_segments = true\nprice_min"))
    notes = tape_of(build_index(Quotes.of(THREE), mixed), "hand").notes
    assert "SEGMENTS ARE MIXED" in notes[0]


BAD = [
    ("rule", '"mode"', r"across.rule: input should be 'median', 'mean', 'trimmed', 'winsorised' or 'weighted', found 'mode'"),
    ("end", '"25:00"', r"window.end: .*found '25:00'"),
    ("price_min", "30.0", r"filters: price_min must be below price_max, found 30 and 20"),
    ("hours", "0", r"window.hours: input should be greater than or equal to 1, found 0"),
    ("missing", '"last"', r"publication: missing_days_max must be above 0 for missing = 'last' only, found 0"),
    ("voters_min", "0", r"across.voters_min: .*found 0"),
    ("unit", '"USD"', r"unit: input should be 'USD per GPU-hour', found 'USD'"),
    ("rule", '"trimmed"', r"across: share must be above 0 for trimmed and winsorised only, found 0 for trimmed"),
]


@pytest.mark.parametrize(("key", "value", "message"), BAD)
def test_a_method_that_cannot_be_meant_is_refused(key, value, message):
    with pytest.raises(UsageError, match=message):
        method(**{key: value})


def test_an_unknown_key_and_a_file_that_is_no_toml_are_refused():
    with pytest.raises(UsageError, match=r"across.ruel: extra inputs are not permitted"):
        Method.parse(TEXT.replace("voters_min", 'ruel = "mean"\nvoters_min'))
    with pytest.raises(UsageError, match="method: must be TOML"):
        Method.parse("name = ")
    with pytest.raises(UnknownName, match="unknown index method 'neocloud-medain'.*did you mean 'neocloud-median'"):
        Method.load("neocloud-medain")


def test_quotes_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="the filters must leave a quote, found none of 4: 4 other chips"):
        build_index(Quotes.of(THREE), method(chips='["B200"]'))
    with pytest.raises(DataError, match="a print needs 4 voters, found at most 3 on a day"):
        build_index(Quotes.of(THREE), method(voters_min=4))


@pytest.mark.parametrize("name", shipped_methods())
def test_a_shipped_method_names_itself(name):
    assert Method.load(name).name == name
