# SPDX-License-Identifier: Apache-2.0
"""How far one provider moves a month's mean: worked by hand, and against running the whole index again."""

from fractions import Fraction

import pytest

from kilohour.datafeeds.index import build_index
from kilohour.datafeeds.index.manipulation import manipulation
from kilohour.datafeeds.quotes import Quotes
from kilohour.errors import UsageError
from tests.datafeeds.index.test_index_methods import method, quote

HALF = Fraction(1, 2)


def month(*prices, days=range(2, 6)):
    return [quote(f"03-0{day} 10:00", who, price) for day in days for who, price in zip("abcde", prices, strict=False)]


def by_provider(series, **more):
    return {row.provider: row for row in manipulation(series, **more)}


def test_on_a_median_of_three_the_middle_one_moves_to_its_neighbour_at_most():
    """2.00, 3.00, 4.00: the middle one 50 % up stops at 4.00, 50 % down at 2.00; gone, the median is still 3.00."""
    found = by_provider(build_index(Quotes.of(month(2.0, 3.0, 4.0)), method()))
    assert found["b"].moved == {-HALF: -1_000_000, Fraction(-1, 10): -300_000, Fraction(1, 10): 300_000, HALF: 1_000_000}
    assert found["b"].without == 0
    assert found["b"].largest == 1_000_000
    # a, 50 % up, stands at 3.00 as well; gone, 3.50 is the middle of two
    assert found["a"].moved[HALF] == 0
    assert found["a"].without == 500_000
    assert found["a"].settlement == 3_000_000


def test_of_a_mean_a_provider_moves_its_share():
    found = by_provider(build_index(Quotes.of(month(2.0, 3.0, 4.0)), method(rule='"mean"')), shifts=(HALF,))
    assert [found[who].moved[HALF] for who in "abc"] == [Fraction(1_000_000, 3), 500_000, Fraction(2_000_000, 3)]


def test_a_provider_on_half_the_days_moves_half_the_month():
    rows = [*month(2.0, 4.0, days=(2, 3, 4, 5)), *[quote(f"03-0{day} 11:00", "c", 6.0) for day in (4, 5)]]
    found = by_provider(build_index(Quotes.of(rows), method(rule='"mean"')), shifts=(HALF,))
    assert found["c"].days == 2
    assert found["c"].moved[HALF] == 500_000  # 3.00 / 3 on two of four days
    assert found["c"].without == -500_000  # 4.00 becomes 3.00 on two of four days


def test_without_a_provider_too_few_are_left_to_settle():
    found = by_provider(build_index(Quotes.of(month(2.0, 3.0)), method()))
    assert found["a"].without is None


def test_quotes_moved_beyond_the_bounds_are_left_out():
    """c at 19.00, half more, breaks price_max 20: the same as gone."""
    found = by_provider(build_index(Quotes.of(month(2.0, 3.0, 19.0)), method()))
    assert found["c"].moved[HALF] == found["c"].without == -500_000


def test_every_figure_equals_a_second_run_over_changed_quotes():
    rows = [quote(f"03-0{day} 10:00", who, 2.0 + 0.137 * ((day * 7 + at * 5) % 11)) for day in range(2, 9) for at, who in enumerate("abcde")]
    for rule in ("median", "mean"):
        rules = method(rule=f'"{rule}"')
        base = sum(p.value for p in build_index(Quotes.of(rows), rules).prints) / 7
        for who, row in by_provider(build_index(Quotes.of(rows), rules), shifts=(HALF,)).items():
            moved = [quote(f"03-0{2 + n // 5} 10:00", q.provider, q.price / 1e6 * (1.5 if q.provider == who else 1)) for n, q in enumerate(rows)]
            again = sum(p.value for p in build_index(Quotes.of(moved), rules).prints) / 7
            assert float(row.moved[HALF]) == pytest.approx(float(again - base), abs=1.0)  # a moved quote is rounded to a micro


def test_a_shift_that_leaves_no_price_is_refused():
    with pytest.raises(UsageError, match="a shift must leave a price above 0, found -1"):
        manipulation(build_index(Quotes.of(month(2.0, 3.0)), method()), shifts=(Fraction(-1),))
