# SPDX-License-Identifier: Apache-2.0
"""Rolling quantile and median of an array, from sorted blocks.

The array is cut into blocks of ``window``; a window is the end of one block and the beginning of the next. Each block is
sorted once into a linked list. The older list loses its values one by one; the newer one was emptied backwards, so that it
takes its values back by undoing (Suomela 2014, "Median filtering is equivalent to sorting"; Knuth's dancing links). A cursor
in each list keeps count of the values below it: together they find the order statistic in constant time.
"""

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def sort_places(block, places, spare):
    """Fills ``places`` with the places of ``block`` in increasing order of value, ties in order of place (merge sort)."""
    size = block.size
    run = 8
    for start in range(0, size, run):
        for k in range(start, min(start + run, size)):
            value = block[k]
            j = k
            while j > start and block[places[j - 1]] > value:
                places[j] = places[j - 1]
                j -= 1
            places[j] = k
    source, target = places, spare
    while run < size:
        for start in range(0, size, 2 * run):
            left, middle, end = start, min(start + run, size), min(start + 2 * run, size)
            right = middle
            for k in range(start, end):
                take_left = right >= end or (left < middle and block[source[left]] <= block[source[right]])
                target[k] = source[left] if take_left else source[right]
                left += 1 if take_left else 0
                right += 0 if take_left else 1
        source, target = target, source
        run *= 2
    places[:] = source


@njit(cache=True, error_model="numpy")
def link(places, ranks, before, after):
    """Links the ranks 0 .. n − 1 of a sorted block in a ring through the sentinel n, and inverts ``places``."""
    size = places.size
    for rank in range(size):
        ranks[places[rank]] = rank
        before[rank] = rank - 1
        after[rank] = rank + 1
    before[0] = size
    after[size] = 0
    before[size] = size - 1


@njit(cache=True, error_model="numpy")
def sort_block(block, places, spare, values, ranks, before, after):
    """A block as sorted ``values`` with an infinite sentinel, the rank of each place, and its linked list."""
    sort_places(block, places, spare)
    for rank in range(block.size):
        values[rank] = block[places[rank]]
    values[block.size] = np.inf
    link(places, ranks, before, after)


@njit(cache=True, error_model="numpy")
def unwind(ranks, before, after):
    """Takes every value out of the list, the last place first, so that :func:`slide` can put them back in order."""
    for k in range(ranks.size - 1, -1, -1):
        rank = ranks[k]
        after[before[rank]] = after[rank]
        before[after[rank]] = before[rank]


@njit(cache=True, error_model="numpy")
def slide(order, part, old_list, new_list, out):
    """Moves the window on through the newer block: order statistic ``order``, and ``part`` of the way to the next one.

    A list is (values, ranks, before, after). A cursor stands on the first value of its list not counted as below; together
    the lists count ``order`` values below. Each step, both cursors step back by one, and the one on the smaller value
    returns: what the two give back holds the largest of the values counted, so the smallest ``order`` stay.
    """
    old_values, old_ranks, old_before, old_after = old_list
    new_values, new_ranks, new_before, new_after = new_list
    old, old_below = order, order
    new, new_below = new_ranks.size, 0
    for k in range(out.size):
        rank = old_ranks[k]
        old_after[old_before[rank]] = old_after[rank]
        old_before[old_after[rank]] = old_before[rank]
        if rank < old:
            old_below -= 1
        else:
            if rank == old:
                old = old_after[old]
            if old_below > 0:
                old = old_before[old]
                old_below -= 1
        rank = new_ranks[k]
        new_after[new_before[rank]] = rank
        new_before[new_after[rank]] = rank
        if rank < new:
            new = new_before[new]
        if old_below + new_below < order:
            if old_values[old] <= new_values[new]:
                old = old_after[old]
                old_below += 1
            else:
                new = new_after[new]
                new_below += 1
        old_value, new_value = old_values[old], new_values[new]
        found = min(old_value, new_value)
        if part > 0.0:
            if old_value <= new_value:
                upper = min(old_values[old_after[old]], new_value)
            else:
                upper = min(old_value, new_values[new_after[new]])
            found += part * (upper - found)
        out[k] = found


@njit(cache=True, error_model="numpy")
def rolling_quantile(x, window, quantile, out):
    """The ``quantile`` of the last ``window`` values, linear between the two nearest order statistics."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    exact = (window - 1) * quantile
    order = int(exact)
    part = exact - order
    places, spare = np.empty(window, np.int64), np.empty(window, np.int64)
    values, ranks = np.empty((2, window + 1)), np.empty((2, window), np.int64)
    before, after = np.empty((2, window + 1), np.int64), np.empty((2, window + 1), np.int64)
    new = 0
    sort_block(x[:window], places, spare, values[new], ranks[new], before[new], after[new])
    out[window - 1] = values[new, order]
    if part > 0.0:
        out[window - 1] += part * (values[new, order + 1] - values[new, order])
    for start in range(window, size, window):
        old, new = new, 1 - new
        length = min(window, size - start)
        block = x[start : start + length]
        sort_block(block, places[:length], spare[:length], values[new], ranks[new], before[new], after[new])
        unwind(ranks[new, :length], before[new], after[new])
        old_list = (values[old], ranks[old], before[old], after[old])
        new_list = (values[new], ranks[new, :length], before[new], after[new])
        slide(order, part, old_list, new_list, out[start : start + length])
