# SPDX-License-Identifier: Apache-2.0
"""The chain of a product: its listed contracts by delivery month, and which of them is the front."""

from __future__ import annotations

from kilohour.kernels.compiling import inner
from kilohour.kernels.records import CHAIN

NEVER = 2**63 - 1


@inner
def list_contract(desk, contract):
    """Enters a contract into its product's chain; False when the chain is full."""
    product = desk.product_of[contract]
    count = desk.chain_count[product]
    if count == CHAIN:
        return False
    at = product * CHAIN + count
    while at > product * CHAIN and desk.delivery_month[desk.chain[at - 1]] > desk.delivery_month[contract]:
        desk.chain[at] = desk.chain[at - 1]
        at -= 1
    desk.chain[at] = contract
    desk.chain_count[product] = count + 1
    desk.listed[contract] = 1
    find_front(desk, product)
    return True


@inner
def expire_contract(desk, contract):
    """Takes a contract out of its chain after the last trade; a position stays until the final settlement."""
    if not desk.listed[contract]:
        return
    product = desk.product_of[contract]
    start, count = product * CHAIN, desk.chain_count[product]
    at = start
    while desk.chain[at] != contract:
        at += 1
    while at < start + count - 1:
        desk.chain[at] = desk.chain[at + 1]
        at += 1
    desk.chain_count[product] = count - 1
    desk.listed[contract] = 0
    find_front(desk, product)


@inner
def find_front(desk, product):
    """The front is the first contract whose fixing window has not begun, -1 without one; a change is remembered."""
    start = product * CHAIN
    at = 0
    while at < desk.chain_count[product] and desk.fixing_at[desk.chain[start + at]] <= desk.now:
        at += 1
    front = desk.chain[start + at] if at < desk.chain_count[product] else -1
    if front != desk.front[product] and desk.front[product] >= 0:
        desk.front_changed[product] = 1
        desk.news = 1
    desk.front[product] = front
    desk.front_at[product] = at
    desk.fronts_due = 0  # to be noted anew


@inner
def move_fronts(desk):
    """Moves every front whose fixing window begins now, and notes when the next one does."""
    for product in range(desk.product_count):
        front = desk.front[product]
        if front >= 0 and desk.fixing_at[front] <= desk.now:
            find_front(desk, product)
    note_due(desk)


@inner
def note_due(desk):
    """When the first of the fronts begins to fix."""
    due = NEVER
    for product in range(desk.product_count):
        front = desk.front[product]
        if front >= 0:
            due = min(due, desk.fixing_at[front])
    desk.fronts_due = due
