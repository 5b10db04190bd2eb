# SPDX-License-Identifier: Apache-2.0
"""Each control of a live run by itself: a second guard may stand behind it, and is not to be the only one."""

from __future__ import annotations

import pytest

from kilohour.backtests.real import Real, check
from kilohour.errors import UsageError
from kilohour.execution.risk import LiveLimits, Risk, Trading
from kilohour.kernels import records as r
from kilohour.units import NANOS_PER_DAY

DOLLAR = 1_000_000
SECOND = 1_000_000_000


def test_a_days_loss_is_counted_from_the_first_equity_of_the_clocks_day_and_from_where_the_operator_resumed():
    risk, day = Risk(LiveLimits(loss_today=10.0)), NANOS_PER_DAY
    assert [risk.saw_equity(dollars * DOLLAR, at) for dollars, at in ((100, 5 * day), (90, 5 * day + 1), (80, 6 * day), (70, 7 * day - 1))] == [""] * 4
    assert risk.saw_equity(69 * DOLLAR, 7 * day - 1) == "loss of 11.00 USD today"
    risk.release()
    assert [risk.saw_equity(dollars * DOLLAR, 7 * day - 1) for dollars in (69, 59)] == ["", ""]
    assert risk.saw_equity(58 * DOLLAR, 7 * day - 1) == "loss of 11.00 USD today"


def test_halted_refuses_what_reduces_too():
    risk = Risk(LiveLimits())
    risk.raise_to(Trading.HALTED, "overfilled")
    assert [risk.refusal(0, reduces=reduces) for reduces in (False, True)] == [(int(r.IS_HALTED), "halted: overfilled")] * 2


def test_an_order_waits_for_the_line_and_for_the_account_each_by_itself():
    risk = Risk(LiveLimits())
    risk.is_reconciled = True
    assert risk.may_wait() == ""
    risk.is_linked = False
    assert risk.may_wait() == "the order stream is down"
    risk.is_linked, risk.is_reconciled = True, False
    assert risk.may_wait() == "the account is not reconciled"


def test_a_message_counts_for_one_second():
    risk = Risk(LiveLimits(messages_per_second=2, cancels_reserved=1))
    risk.sent(0)
    assert not risk.has_room(SECOND - 1, cancel=False)
    assert risk.has_room(SECOND, cancel=False)


@pytest.mark.parametrize("wrong", [{"messages_per_second": 3, "cancels_reserved": 3}, {"cancels_reserved": 0}, {"feed_age_seconds": -1.0},
                                   {"loss_today": "5"}, {"messages_per_second": 2.5}])  # fmt: skip
def test_live_limits_that_make_no_sense(wrong):
    with pytest.raises(UsageError, match="^limits: "):
        LiveLimits(**wrong)


def test_live_orders_need_the_account_named_twice_and_alike(tmp_path):
    def asked(confirmed):
        return Real(strategy="calendar-spread", venue="ax", account="me", folder=tmp_path, clock=lambda: 0, confirmed=confirmed)

    assert [asked(name).is_dry for name in (None, "me")] == [True, False]
    check(asked("me"))
    with pytest.raises(UsageError, match="--confirm must name the account 'me', found 'you': nothing was sent"):
        check(asked("you"))
