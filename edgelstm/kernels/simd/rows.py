"""Rows of vectors, put together and taken apart: what `vectors.row0` to `row3` read."""

from numba.extending import intrinsic

from .vectors import Vec, join, split


@intrinsic
def with_last_row(typingctx, vector, row):
    """`vector` with `row` in place of its last one."""

    def codegen(context, builder, signature, args):
        parts, last = (split(builder, arg) for arg in args)
        return join(builder, [*parts[: -len(last)], *last])

    return vector(vector, row), codegen


@intrinsic
def first_rows(typingctx, lanes, vector):
    """As many rows of `vector` as `lanes` says."""

    def codegen(context, builder, signature, args):
        return join(builder, split(builder, args[1])[: len(lanes.vec.pieces)])

    return Vec(lanes.vec.lanes, lanes.vec.rows)(lanes, vector), codegen
