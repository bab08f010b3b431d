"""Timesteps of many streams in one call: checked, then taken by groups that share each pass over the weights, or one stream at a time."""

from numba import njit

from ..simd.addresses import (
    calling,
    calling_counted,
    find_bad,
    floats_at,
    peek_f32,
    peek_i32,
    peek_i64,
    poke_i64,
    run_apart,
    run_apart_block,
    run_group,
    run_step,
    steps_taken,
)
from ..simd.vectors import offset
from .blocks import copier
from .rates import values_due

inlined = njit(inline="always")


@inlined
def different(places, most):
    """How many of these streams, `most` at most, are different ones, up to the first that comes again. places: address of their addresses.

    They are where their addresses rise. Else one that was seen is marked meanwhile: its count of steps is below 0.
    """
    count = 1
    while count < most and peek_i64(places, 8 * count) > peek_i64(places, 8 * count - 8):
        count += 1
    if count < most:
        count = 0
        while count < most:
            a = peek_i64(places, 8 * count)
            taken = peek_i64(a, 0)
            if taken < 0:
                break
            poke_i64(a, 0, ~taken)
            count += 1
        for k in range(count):
            a = peek_i64(places, 8 * k)
            poke_i64(a, 0, ~peek_i64(a, 0))
    return count


def one_by_one(kernel, counts):
    """Kernel of a layer on one timestep of each stream of a group, one after the other.

    Parameters
    ----------
    kernel : str
        Symbol of the layer's kernel.
    counts : bool
        Whether it takes how many rows it has read before.
    """
    run = (calling_counted if counts else calling)(kernel)

    def each(w, x, x_stride, y, y_stride, places, at, z, count):
        """w, z: the layer's; x: (count, x_stride); y: (count, y_stride); places: address of the addresses of arenas; at: bytes before the
        layer's state in them.
        """
        for k in range(count):
            a = peek_i64(places, 8 * k)
            xk, yk, s = offset(x, k * x_stride), offset(y, k * y_stride), floats_at(a + at)
            if counts:
                run(w, xk, yk, s, z, 1, peek_i64(a, 0))
            else:
                run(w, xk, yk, s, z, 1)

    return each


def run_streams(inputs, outputs, block, sample, group, counts, each_step, at):
    """Kernel of `edgelstm_run_streams`.

    Parameters
    ----------
    inputs, outputs : int
        Values in a sample and in an answer.
    block : int
        Most timesteps that the fused model takes at once.
    sample : int
        Offset in the state, in floats, of the sample read last.
    group : int
        Most streams that go through the model together; 1 where no kernel gains by that.
    counts : bool
        Whether a kernel in a group takes how many steps there were.
    each_step : bool
        Whether an answer is due at every step. Rows of y whose answers are not due stay as they are.
    at : module
        Byte offsets of the fields of a call (`runtime.many_call`).
    """
    copy = njit(inline="always")(copier(inputs))

    @inlined
    def count_steps(place, count, steps):
        for k in range(count):
            a = peek_i64(place, 8 * k)
            poke_i64(a, 0, peek_i64(a, 0) + steps)

    @inlined
    def together(w, place, z, x, y, x_stride, y_stride, time, count):
        """A group of streams. Returns how many of its steps are to be counted."""
        for t in range(time):
            run_group(w, place, z, offset(x, t * inputs), offset(y, t * outputs), x_stride, y_stride, count)
            if counts:
                count_steps(place, count, 1)
        return 0 if counts else time

    @inlined
    def one(w, a, z, x, y, time):
        """One stream."""
        if time == 1:
            run_apart(w, a, z, x, y)
        elif each_step:
            t = 0
            while t < time:
                count = min(block, time - t)
                run_apart_block(w, a, z, offset(x, t * inputs), offset(y, t * outputs), count)
                t += count
        else:
            for t in range(time):
                run_apart(w, a, z, offset(x, t * inputs), offset(y, t * outputs))

    def kernel(call, x, y):
        """call: address of a call; x: (n, time, inputs), or (1, time, inputs) for all; y: (n, time, outputs).

        Returns the number of the first row of x that must not enter a state, and nothing has run then. Else that of the rows checked.
        """
        rows = peek_i64(call, at.CHECKED)
        bad = find_bad(x, peek_f32(call, at.LIMIT), rows)
        if bad < rows:
            return bad
        w, z, places = floats_at(peek_i64(call, at.WEIGHTS)), floats_at(peek_i64(call, at.SCRATCH)), peek_i64(call, at.PLACES)
        n, time, stride = peek_i64(call, at.COUNT), peek_i64(call, at.TIME), peek_i64(call, at.STRIDE)
        known = peek_i64(call, at.DIFFERENT) != 0
        k = 0
        while k < n:
            place, xk, yk = places + 8 * k, offset(x, k * stride), offset(y, k * time * outputs)
            taken = min(group, n - k)
            if taken > 1 and not known:
                taken = different(place, taken)
            steps = 0
            if taken > 1:
                steps = together(w, place, z, xk, yk, stride, time * outputs, time, taken)
            else:
                one(w, floats_at(peek_i64(place, 0)), z, xk, yk, time)
            for j in range(taken):
                a = peek_i64(place, 8 * j)
                poke_i64(a, 0, peek_i64(a, 0) + steps)
                copy(offset(floats_at(a), sample), offset(xk, j * stride + (time - 1) * inputs))
            k += taken
        return rows

    return kernel


def step_arenas_together(inputs, outputs, sample, output, limit, bits, group):
    """Kernel of `edgelstm_step_many` in C, of a model that answers each step and gains by groups.

    Parameters
    ----------
    inputs, outputs : int
        Values in a sample and in an answer.
    sample, output : int
        Byte offsets in an arena of the sample and of the answer.
    limit : float32
        As `checks` take it.
    bits : int
        Of an address.
    group : int
        Most streams that go through the model together.
    """
    copy_sample, copy_answer = (njit(inline="always")(copier(count)) for count in (inputs, outputs))
    wide = bits == 64

    @inlined
    def arena(arenas, k):
        return peek_i64(arenas, 8 * k) if wide else peek_i32(arenas, 4 * k) & 0xFFFFFFFF

    @inlined
    def together(w, places, rooms, x, y, count):
        run_group(floats_at(w), places, floats_at(rooms), x, y, inputs, outputs, count)
        for k in range(count):
            a = peek_i64(places, 8 * k)
            poke_i64(a, 0, peek_i64(a, 0) + 1)
            copy_sample(floats_at(a + sample), offset(x, k * inputs))

    @inlined
    def one(w, a, x, y):
        copy_sample(floats_at(a + sample), x)
        run_step(w, a)
        copy_answer(y, floats_at(a + output))

    def kernel(w, arenas, x, y, n, places, rooms):
        """As that of `step_arenas`; places: address of a word for each stream of a group; rooms: of theirs (`groups.narrow_rooms_of`)."""
        bad = find_bad(x, limit, n)
        if bad < n:
            return bad
        k = 0
        while k < n:
            taken = min(group, n - k)
            for j in range(taken):
                poke_i64(places, 8 * j, arena(arenas, k + j))
            taken = different(places, taken)
            xk, yk = offset(x, k * inputs), offset(y, k * outputs)
            if taken > 1:
                together(w, places, rooms, xk, yk, taken)
            else:
                one(w, peek_i64(places, 0), xk, yk)
            k += taken
        return n

    return kernel


def step_arenas(inputs, outputs, sample, output, every, first, limit, bits):
    """Kernel of `edgelstm_step_many` in C, where the streams take their steps one after the other.

    Parameters
    ----------
    inputs, outputs : int
        Values in a sample and in an answer.
    sample, output : int
        Byte offsets in an arena of the sample and of the answer.
    every, first : int
        When answers are due (`layers.wire.Wire`).
    limit : float32
        As `checks` take it.
    bits : int
        Of an address.
    """
    each_step = every == first == 1
    copy_sample, copy_answer = (njit(inline="always")(copier(count)) for count in (inputs, outputs))
    wide = bits == 64

    def kernel(w, arenas, x, y, n):
        """w: address of the weights; arenas: address of n addresses; x: (n, inputs); y: (n, outputs).

        Returns the number of the first row that must not enter a state, and nothing has run then. Else n.
        """
        bad = find_bad(x, limit, n)
        if bad < n:
            return bad
        for k in range(n):
            a = peek_i64(arenas, 8 * k) if wide else peek_i32(arenas, 4 * k) & 0xFFFFFFFF
            copy_sample(floats_at(a + sample), offset(x, k * inputs))
            run_step(w, a)
            taken = steps_taken(floats_at(a))
            if each_step or values_due(taken, every, first) != values_due(taken - 1, every, first):
                copy_answer(offset(y, k * outputs), floats_at(a + output))
        return n

    return kernel
