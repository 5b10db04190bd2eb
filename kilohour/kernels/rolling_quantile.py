# SPDX-License-Identifier: Apache-2.0
"""Rolling quantile and median of an array, from sorted blocks.

The array is cut into blocks of ``window``; a window is the end of one block and the beginning of the next. Each block
is sorted once into a linked list. The older list loses its values one by one; the newer one was emptied backwards, so
that it takes its values back by undoing (Suomela 2014, "Median filtering is equivalent to sorting"; Knuth's dancing
links). A cursor in each list keeps count of the values below it: together they find the order statistic in constant
time.
"""

import numpy as np
import numpy.typing as npt

from kilohour.kernels.compiling import njit

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
List = tuple[Floats, Places, Places, Places]

RUN = 8


@njit(cache=True, nogil=True, error_model="numpy")
def sort_places(block: Floats, places: Places, values: Floats, spare_places: Places, spare_values: Floats) -> None:
    """Fills ``values`` with the block in increasing order and ``places`` with where each stood, ties in order of place.

    Short runs are ranked by counting, then merged; neither branches on the data, which would cost more than the work.
    """
    size = block.size
    for start in range(0, size, RUN):
        end = min(start + RUN, size)
        for k in range(start, end):
            value = block[k]
            rank = start
            for j in range(start, k):
                rank += 1 if block[j] <= value else 0
            for j in range(k + 1, end):
                rank += 1 if block[j] < value else 0
            places[rank] = k
            values[rank] = value
    run = RUN
    in_spare = False
    while run < size:
        for start in range(0, size, 2 * run):
            middle, end = min(start + run, size), min(start + 2 * run, size)
            if in_spare:
                merge(spare_places, spare_values, start, middle, end, places, values)
            else:
                merge(places, values, start, middle, end, spare_places, spare_values)
        in_spare = not in_spare
        run *= 2
    if in_spare:
        for i in range(size):
            places[i], values[i] = spare_places[i], spare_values[i]


@njit(cache=True, nogil=True, error_model="numpy")
def merge(from_places: Places, from_values: Floats, start: int, middle: int, end: int, to_places: Places, to_values: Floats) -> None:
    """Merges the sorted runs ``start .. middle`` and ``middle .. end``."""
    left, right, k = start, middle, start
    while left < middle and right < end:
        left_value, right_value = from_values[left], from_values[right]
        is_left = left_value <= right_value
        to_places[k] = from_places[left] if is_left else from_places[right]
        to_values[k] = left_value if is_left else right_value
        left += 1 if is_left else 0
        right += 0 if is_left else 1
        k += 1
    while left < middle:
        to_places[k] = from_places[left]
        to_values[k] = from_values[left]
        left += 1
        k += 1
    while right < end:
        to_places[k] = from_places[right]
        to_values[k] = from_values[right]
        right += 1
        k += 1


@njit(cache=True, nogil=True, error_model="numpy")
def link(places: Places, ranks: Places, before: Places, after: Places) -> None:
    """Links the ranks 0 .. n − 1 of a sorted block in a ring through the sentinel n, and inverts ``places``."""
    size = places.size
    for rank in range(size):
        ranks[places[rank]] = rank
        before[rank] = rank - 1
        after[rank] = rank + 1
    before[0] = size
    after[size] = 0
    before[size] = size - 1


@njit(cache=True, nogil=True, error_model="numpy")
def sort_block(block: Floats, spare: tuple[Places, Places, Floats], values: Floats, ranks: Places, before: Places, after: Places) -> None:
    """A block as sorted ``values`` with an infinite sentinel, the rank of each place, and its linked list."""
    size = block.size
    places, spare_places, spare_values = spare
    sort_places(block, places[:size], values[:size], spare_places[:size], spare_values[:size])
    values[size] = np.inf
    link(places[:size], ranks, before, after)


@njit(cache=True, nogil=True, error_model="numpy")
def unwind(ranks: Places, before: Places, after: Places) -> None:
    """Takes every value out of the list, the last place first, so that :func:`slide` can put them back in order."""
    for k in range(ranks.size - 1, -1, -1):
        rank = ranks[k]
        after[before[rank]] = after[rank]
        before[after[rank]] = before[rank]


@njit(cache=True, nogil=True, error_model="numpy")
def slide(order: int, part: float, old_list: List, new_list: List, out: Floats) -> None:
    """Moves the window on through the newer block: order statistic ``order``, and ``part`` of the way to the next one.

    A list is (values, ranks, before, after). A cursor stands on the first value of its list not counted as below;
    together the lists count ``order`` values below. Each step, both cursors step back by one, and the one on the
    smaller value returns: what the two give back holds the largest of the values counted, so the smallest ``order``
    stay.
    """
    old_values, old_ranks, old_before, old_after = old_list
    new_values, new_ranks, new_before, new_after = new_list
    old, old_below = order, order
    new, new_below = new_ranks.size, 0
    for k in range(out.size):
        gone = old_ranks[k]
        previous, following = old_before[gone], old_after[gone]
        old_after[previous] = following
        old_before[following] = previous
        steps_back = gone >= old and old_below > 0
        old = following if gone == old else old
        previous = old_before[old]
        old = previous if steps_back else old
        old_below -= 1 if old_below > 0 else 0

        come = new_ranks[k]
        new_after[new_before[come]] = come
        new_before[new_after[come]] = come
        previous = new_before[new]
        new = previous if come < new else new

        is_short = old_below + new_below < order
        is_old = old_values[old] <= new_values[new]
        old_next, new_next = old_after[old], new_after[new]
        old = old_next if is_short and is_old else old
        new = new_next if is_short and not is_old else new
        old_below += 1 if is_short and is_old else 0
        new_below += 1 if is_short and not is_old else 0

        old_value, new_value = old_values[old], new_values[new]
        is_old = old_value <= new_value
        found = old_value if is_old else new_value
        if part > 0.0:
            after_old = min(old_values[old_after[old]], new_value)
            after_new = min(new_values[new_after[new]], old_value)
            found += part * ((after_old if is_old else after_new) - found)
        out[k] = found


@njit(cache=True, nogil=True, error_model="numpy")
def rolling_quantile(x: Floats, window: int, quantile: float, out: Floats) -> None:
    """The ``quantile`` of the last ``window`` values, linear between the two nearest order statistics."""
    size = x.size
    out[: min(window - 1, size)] = np.nan
    if size < window:
        return
    exact = (window - 1) * quantile
    order = int(exact)
    part = exact - order
    spare = (np.empty(window, np.int64), np.empty(window, np.int64), np.empty(window))
    values, ranks = np.empty((2, window + 1)), np.empty((2, window), np.int64)
    before, after = np.empty((2, window + 1), np.int64), np.empty((2, window + 1), np.int64)
    new = 0
    sort_block(x[:window], spare, values[new], ranks[new], before[new], after[new])
    out[window - 1] = values[new, order]
    if part > 0.0:
        out[window - 1] += part * (values[new, order + 1] - values[new, order])
    for start in range(window, size, window):
        old, new = new, 1 - new
        length = min(window, size - start)
        sort_block(x[start : start + length], spare, values[new], ranks[new, :length], before[new], after[new])
        unwind(ranks[new, :length], before[new], after[new])
        old_list = (values[old], ranks[old], before[old], after[old])
        new_list = (values[new], ranks[new, :length], before[new], after[new])
        slide(order, part, old_list, new_list, out[start : start + length])
