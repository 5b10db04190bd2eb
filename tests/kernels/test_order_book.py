# SPDX-License-Identifier: Apache-2.0
"""The order book kernel against a plain list of orders, sorted anew for every question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from kilohour.kernels import order_book as kernel


@dataclass
class Resting:
    number: int
    account: int
    side: int
    price: int
    left: int
    age: int


class PlainBook:
    """Orders of one instrument in the order in which they came."""

    def __init__(self):
        self.orders, self.age = [], 0

    def queue(self, side):
        return sorted((o for o in self.orders if o.side == side), key=lambda o: (-side * o.price, o.age))

    def rest(self, number, account, side, price, lots):
        self.age += 1
        self.orders.append(Resting(number, account, side, price, lots, self.age))

    def cancel(self, number):
        self.orders = [o for o in self.orders if o.number != number]

    def match(self, account, side, limit, lots, policy):
        events, stopped = [], False
        for o in self.queue(-side):
            if lots == 0 or (o.price > limit if side > 0 else o.price < limit):
                break
            if o.account == account and policy != kernel.ALLOW:
                if policy != kernel.CANCEL_TAKER:
                    events.append((kernel.SELF_CANCELLED, o.number, o.left, o.price, 0))
                    o.left = 0
                if policy != kernel.CANCEL_RESTING:
                    stopped = True
                    break
                continue
            size = min(lots, o.left)
            lots, o.left = lots - size, o.left - size
            events.append((kernel.TRADED, o.number, size, o.price, o.left))
        self.orders = [o for o in self.orders if o.left]
        return events, lots, stopped

    def auction(self, reference):
        best: tuple = ()
        for price in sorted({o.price for o in self.orders}):
            buys = sum(o.left for o in self.orders if o.side > 0 and o.price >= price)
            sells = sum(o.left for o in self.orders if o.side < 0 and o.price <= price)
            key = (min(buys, sells), -abs(buys - sells), -abs(price - reference), -price)
            if key[0] and key > best:
                best = key
        return (-best[3], best[0]) if best else (0, 0)

    def depth(self, side):
        levels: dict = {}
        for o in self.queue(side):
            lots, count = levels.get(o.price, (0, 0))
            levels[o.price] = (lots + o.left, count + 1)
        return [(price, *rest) for price, rest in levels.items()]


class KernelBook:
    def __init__(self, capacity=64, rows=3):
        self.slots, self.heads, self.state = kernel.empty_book(2, capacity)
        self.slot_of, self.out = {}, np.zeros((rows, kernel.WIDTH), np.int64)

    def rest(self, number, account, side, price, lots):
        slot = kernel.rest(self.slots, self.heads, self.state, 1, side, price, lots, account, number)
        self.slot_of[number] = slot
        return slot

    def cancel(self, number):
        kernel.take_out(self.slots, self.heads, self.state, self.slot_of.pop(number))

    def match(self, account, side, limit, lots, policy):
        events = []
        while True:
            count, lots, stopped = kernel.match(self.slots, self.heads, self.state, 1, side, limit, lots, account, policy, self.out)
            events += [tuple(row) for row in self.out[:count].tolist()]
            if stopped or count < len(self.out):
                for event in events:
                    if event[4] == 0:
                        self.slot_of.pop(event[1], None)
                return events, lots, bool(stopped)

    def depth(self, side):
        out = np.zeros((100, 3), np.int64)
        return [tuple(row) for row in out[: kernel.depth(self.slots, self.heads, 1, side, out)].tolist()]

    def uncross(self, price):
        trades = []
        while count := kernel.uncross(self.slots, self.heads, self.state, 1, price, self.out):
            trades += [tuple(row) for row in self.out[:count].tolist()]
        for buyer, seller, _, buyer_left, seller_left in trades:
            if buyer_left == 0:
                self.slot_of.pop(buyer)
            if seller_left == 0:
                self.slot_of.pop(seller)
        return trades


@pytest.mark.parametrize("seed", range(4))
def test_a_random_session_gives_what_a_sorted_list_gives(seed):
    random, plain, book, number = np.random.default_rng(seed), PlainBook(), KernelBook(), 0
    traded = 0
    for _ in range(400):
        number += 1
        account, side, price, lots = (
            int(random.integers(0, 3)),
            int(random.choice([-1, 1])),
            int(random.integers(90, 111)),
            int(random.integers(1, 9)),
        )
        policy, act = int(random.integers(0, 4)), random.random()
        if act < 0.2 and plain.orders:
            gone = plain.orders[int(random.integers(len(plain.orders)))].number
            plain.cancel(gone)
            book.cancel(gone)
            continue
        if act < 0.25:
            price, volume = plain.auction(100)
            assert kernel.auction_price(book.slots, book.heads, 1, 100) == (price, volume)
            continue
        expected, left, stopped = plain.match(account, side, price, lots, policy)
        assert book.match(account, side, price, lots, policy) == (expected, left, stopped)
        traded += sum(event[2] for event in expected if event[0] == kernel.TRADED)
        if left and not stopped and len(plain.orders) < 60:
            plain.rest(number, account, side, price, left)
            book.rest(number, account, side, price, left)
        assert [book.depth(1), book.depth(-1)] == [plain.depth(1), plain.depth(-1)]
    assert traded > 100
    assert int(book.state[1]) == len(plain.orders)


def test_an_auction_trades_most_then_leaves_least_then_stays_near():
    #                 buyers            sellers          price  lots
    for bids, asks, reference, price, lots in [
        ([(103, 5), (100, 5)], [(99, 4), (101, 6)], 100, 101, 5),     # 10 for sale at 101, 5 wanted; at 99 only 4
        ([(102, 5)], [(98, 5)], 101, 102, 5),                          # both limits trade 5: the nearer to 101
        ([(102, 5)], [(98, 5)], 100, 98, 5),                           # as near: the lower
        ([(99, 5)], [(101, 5)], 100, 0, 0),                            # nothing crosses
    ]:  # fmt: skip
        book = KernelBook()
        for number, (at, size) in enumerate(bids):
            book.rest(number + 1, 0, 1, at, size)
        for number, (at, size) in enumerate(asks):
            book.rest(number + 11, 1, -1, at, size)
        assert kernel.auction_price(book.slots, book.heads, 1, reference) == (price, lots)
        if lots:
            assert sum(trade[2] for trade in book.uncross(price)) == lots


def test_a_full_arena_says_so_and_a_freed_slot_is_used_again():
    book = KernelBook(capacity=2)
    assert book.rest(1, 0, 1, 100, 1) >= 0
    assert book.rest(2, 0, 1, 101, 1) >= 0
    assert book.rest(3, 0, 1, 102, 1) == kernel.NONE
    book.cancel(1)
    assert book.rest(4, 0, 1, 99, 1) >= 0
    assert book.depth(1) == [(101, 1, 1), (99, 1, 1)]


def test_what_an_order_could_take_stops_at_its_own_account():
    book = KernelBook()
    book.rest(1, 0, -1, 100, 4)
    book.rest(2, 7, -1, 101, 5)
    book.rest(3, 0, -1, 102, 6)
    ask = (book.slots, book.heads, 1, 1, 102, 7)
    assert [kernel.offered(*ask, policy) for policy in (kernel.ALLOW, kernel.CANCEL_RESTING, kernel.CANCEL_TAKER)] == [15, 10, 4]
