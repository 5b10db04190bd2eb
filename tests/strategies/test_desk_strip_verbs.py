# SPDX-License-Identifier: Apache-2.0
"""The desk's date and its verb for strips, and the strategy of fifteen lines."""

import datetime as dt

import pytest

import kilohour as kh
from kilohour.desk import Desk
from tests.strategies.runs import made, market


def test_the_date_is_the_calendars_for_eight_hundred_years():
    desk = Desk()
    first = dt.date(1970, 1, 1)
    for days in [*range(0, 40_000, 7), *range(10_900, 11_120), 47_540, 47_541, 92_000]:
        desk.now = days * 86_400 * 10**9 + 86_399 * 10**9
        assert desk.date() == int(f"{first + dt.timedelta(days=days):%Y%m%d}")


class Strip(kh.Strategy):
    product: kh.Product = kh.product("SIM:H100")

    def on_bar(self, desk):
        first, last = desk.nth(self.product, 2), desk.nth(self.product, 4)
        for n in range(2, 5):
            desk.target(desk.nth(self.product, n), n)
        desk.close_outside(first, last)


def test_what_leaves_a_strip_is_closed():
    run = kh.backtest(Strip, made({"SIM:H100": lambda _s, _m: 3.0}, sessions=100, first=dt.date(2025, 3, 3)))
    found = {str(day)[:10]: dict(zip(rows.contract.str[-2:], rows.lots, strict=True)) for day, rows in run.positions.groupby(level=0)}
    assert found["2025-03-31"] == {"05": 2, "06": 3, "07": 4}
    assert found["2025-04-02"] == {"06": 2, "07": 3, "08": 4}
    assert run.result["settlements"] == 0


FIFTEEN = '''
import kilohour as kh

class BuyTheDip(kh.Strategy):
    """Long the front month while it stands a twentieth under its average."""

    product: kh.Product = kh.product("SIM:H100")
    lots: int = 5
    average: kh.indicators.RollingMean = kh.indicator(kh.indicators.RollingMean, 50)

    def on_bar(self, desk):
        front = desk.nth(self.product, 1, 5)
        mean = self.average.update(desk.price(front))
        desk.target(front, self.lots if desk.price(front) < 0.95 * mean else 0)
        desk.close_outside(front, front)
'''


@pytest.mark.parametrize("interpreted", [False, True])
def test_a_strategy_of_fifteen_lines_runs_from_its_file(tmp_path, interpreted):
    assert len(FIFTEEN.strip().splitlines()) <= 15
    file = tmp_path / "dip.py"
    file.write_text(FIFTEEN, encoding="utf-8")
    run = kh.backtest(f"{file}:BuyTheDip", market(), interpreted=interpreted)
    assert len(run.fills) > 10
    assert run.result["settlements"] == 0
