"""TensorFlow graphs made to hurt: each ends in one of edgelstm's errors, soon and with little memory."""

import contextlib
import os
import resource
import time

import numpy as np
import pytest
from graphdefs import GraphDef, dense, dtype, function_name, loop, message, node, shape
from hostile_limits import BYTES, SECONDS, seconds

import edgelstm as el
from edgelstm.importers import import_file
from edgelstm.importers.from_tensorflow import file as tensorflow_file


def refused(path, data, match):
    """The file of these bytes is refused within the limits, for this reason."""
    path.write_bytes(data)
    began, most = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((el.ModelFileError, el.UnsupportedModelError, el.ShapeError), match=match):
        import_file(path)
    took = time.process_time() - began
    assert took < SECONDS or took < seconds()
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most) << 10 < BYTES


def many_nodes(graph):
    graph.nodes += [node(f"n{i}", "Identity", ["y"]) for i in range(tensorflow_file.MOST_NODES + 1)]


def huge_shape(graph):
    """A constant that says 2^80 numbers."""
    graph.constant("c", 1.0, sizes=[1 << 40, 1 << 40])
    graph.add("z", "Mul", "y", "c")


def filled(graph):
    """A constant of one number that stands for 2^26."""
    data = b"\x08\x01" + message(2, message(2, b"\x08\x80\x80\x80\x20")) + b"\x2d\0\0\x80\x3f"
    graph.add("c", "Const", value=message(8, data))
    graph.add("z", "Mul", "y", "c")


def wide_sample(graph):
    """A step of 2^40 numbers."""
    graph.nodes[0] = node("x", "Placeholder", dtype=dtype("float32"), shape=message(7, shape([1, -1, 1 << 40])))


def made_large(graph):
    graph.constant("s", np.array([1 << 30, 1 << 30]))
    graph.constant("v", 1.0)
    graph.add("c", "Fill", "s", "v")
    graph.add("z", "Mul", "y", "c")


def padded(graph):
    graph.constant("w", np.array([[0, 1 << 40], [0, 1 << 40]]))
    graph.add("z", "Pad", "y", "w")


def repeated(graph):
    graph.constant("w", np.array([1 << 20, 1 << 20]))
    graph.add("z", "Tile", "y", "w")


def outer_sum(graph):
    graph.constant("a", np.zeros((1 << 18, 1)))
    graph.constant("b", np.zeros((1, 1 << 18)))
    graph.add("c", "AddV2", "a", "b")
    graph.add("z", "Mul", "y", "c")


def divided_outer(graph):
    graph.constant("a", np.ones((1 << 18, 1)))
    graph.constant("b", np.ones((1, 1 << 18)))
    graph.add("c", "FloorDiv", "a", "b")
    graph.add("z", "Mul", "y", "c")


def long_range(graph):
    for name, value in (("a", 0), ("b", 1 << 62), ("d", 1)):
        graph.constant(name, np.array(value))
    graph.add("c", "Range", "a", "b", "d")
    graph.add("z", "Mul", "y", "c")


def cycle(graph):
    """Two nodes that read each other."""
    graph.add("u", "Add", "y", "v")
    graph.add("v", "Add", "u", "y")
    graph.add("z", "Identity", "v")


def absent(graph):
    graph.add("z", "Add", "y", "nowhere")


def twice(graph):
    graph.nodes.append(graph.nodes[-1])


def absent_output(graph):
    graph.add("z", "Add", "y", "flat:9999")


def odd_output(graph):
    graph.add("z", "Add", "y", "flat:x")


def calls_itself(graph):
    """A function whose body calls it."""
    graph.function("again", ["a"], {"b": "c:output:0"}, [node("c", "PartitionedCall", ["a"], f=function_name("again"))])
    graph.add("z", "PartitionedCall", "y", f=function_name("again"))


def doubling_calls(graph):
    """Forty functions, each of which calls the one before it twice."""
    graph.function("f0", ["a"], {"b": "c:y:0"}, [node("c", "Tanh", ["a"])])
    for i in range(40):
        inside = [
            node("c", "PartitionedCall", ["a"], f=function_name(f"f{i}")),
            node("d", "PartitionedCall", ["c"], f=function_name(f"f{i}")),
        ]
        graph.function(f"f{i + 1}", ["a"], {"b": "d:output:0"}, inside)
    graph.add("z", "PartitionedCall", "y", f=function_name("f40"))


def called_in_order(graph, order):
    """Four thousand functions, each of which calls the one before it and is called by a node of its own."""
    graph.function("f0", ["a"], {"b": "c:y:0"}, [node("c", "Tanh", ["a"])])
    for i in range(4000):
        graph.function(f"f{i + 1}", ["a"], {"b": "d:output:0"}, [node("d", "PartitionedCall", ["a"], f=function_name(f"f{i}"))])
    last = "y"
    for i in order:
        last = graph.add(f"z{i}", "PartitionedCall", last, f=function_name(f"f{i}"))


def chain_of_calls(graph):
    called_in_order(graph, range(4000))


def chain_of_calls_from_its_end(graph):
    called_in_order(graph, range(3999, -1, -1))


def unsaid_parts(graph):
    """A Split, whose parts are answers, into no number of them."""
    graph.constant("axis", np.int32(1))
    graph.add("z", "Split", "axis", "y", num_split="many")


def no_function(graph):
    graph.add("z", "PartitionedCall", "y", f=function_name("nowhere"))


def long_chain(graph):
    """Nine thousand products, each of two others before it."""
    names = ["y", *(f"p{i}" for i in range(9_000))]
    for i in range(9_000):
        graph.add(names[i + 1], "Mul", names[i], names[i // 2])


def doubled(graph):
    graph.constant("axis", np.int32(1))
    for i in range(40):
        graph.add(f"d{i}", "ConcatV2", f"d{i - 1}" if i else "y", f"d{i - 1}" if i else "y", "axis")


def many_splits(graph):
    """Thousands of arrays taken apart, each of which could be the steps of a recurrence."""
    graph.constant("four", np.zeros((3, 4)))
    graph.add("wide", "MatMul", "flat", "four")
    last = "wide"
    for i in range(2100):
        graph.add(f"s{i}", "Split", "one", last, num_split=4)
        for j in range(4):
            graph.add(f"t{i}_{j}", "Tanh", f"s{i}:{j}")
        last = graph.add(f"c{i}", "ConcatV2", *(f"t{i}_{j}" for j in range(4)), "one")
    graph.constant("one", np.int32(1))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (many_splits, "larger than is imported|more than"),
        (many_nodes, "nodes; edgelstm reads no such"),
        (huge_shape, "numbers are read"),
        (filled, "too large"),
        (wide_sample, "at most"),
        (made_large, "at most"),
        (padded, "pads|at most"),
        (repeated, "at most"),
        (outer_sum, "at most"),
        (divided_outer, "at most"),
        (long_range, "at most"),
        (cycle, "circle"),
        (absent, "no node of it"),
        (twice, "two nodes of the name"),
        (absent_output, "nothing before it makes|no output"),
        (odd_output, "no output of a node"),
        (calls_itself, "calls itself"),
        (doubling_calls, "larger than is imported|deeper"),
        (chain_of_calls, "deeper"),
        (chain_of_calls_from_its_end, "deeper"),
        (unsaid_parts, "no number"),
        (no_function, "not in the file"),
        (long_chain, "larger than is imported"),
        (doubled, "larger than is imported|more than"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_graphs_that_contradict_themselves_or_ask_for_too_much(tmp_path, spoil, match):
    graph = dense()
    spoil(graph)
    refused(tmp_path / "model.pb", graph.bytes(), match)


def renamed(graph, before, after):
    return graph.bytes().replace(before, after)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (loop(limit=1 << 30).bytes(), "runs|rows in"),
        (renamed(loop(), b"condition\x12\x08LoopCond", b"condition\x12\x08Identity"), "conditions|in a circle|not imported"),
        (renamed(loop(), b"NextIteration", b"PrevIteration"), r"\w"),
        (renamed(loop(), b"enter_h", b"enter_t"), r"\w"),
    ],
)
def test_loops_that_do_not_fit_together(tmp_path, data, match):
    """A loop of 2^30 iterations, one without condition, one that never turns, one whose variable begins twice."""
    refused(tmp_path / "model.pb", data, match)


def test_attributes_that_nest_without_end(tmp_path):
    """A length-delimited field in itself, thousands of times."""
    data = b""
    for _ in range(3000):
        data = message(1, data)
    graph = dense()
    graph.add("z", "Tanh", "y", odd=data)
    refused(tmp_path / "model.pb", graph.bytes(), "odd|damaged|nests")


def test_a_file_that_is_cut_off(tmp_path):
    data = loop().bytes()
    for end in range(40, len(data), 97):
        refused(tmp_path / "model.pb", data[:end], r"\w")


def test_an_empty_graph(tmp_path):
    refused(tmp_path / "model.pb", message(1, node("c", "Const")), "no node that depends on an input")
    assert GraphDef().bytes() == b""


@pytest.mark.parametrize("seed", range(10))
def test_mutations(tmp_path, seed):
    """Bytes of a sound file changed, cut out or doubled: read or refused, never a crash. EDGELSTM_MUTATIONS sets how many a seed."""
    rng, sound, path = np.random.default_rng(seed), loop().bytes(), tmp_path / "model.pb"
    for _ in range(int(os.environ.get("EDGELSTM_MUTATIONS", "15"))):
        data = bytearray(sound)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(data)))
            kind = rng.integers(3)
            if kind == 0:
                data[at] = rng.integers(256)
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 40))]
            else:
                data[at:at] = data[at : at + int(rng.integers(1, 40))]
        path.write_bytes(bytes(data))
        with contextlib.suppress(el.ModelFileError, el.UnsupportedModelError, el.ShapeError, el.UsageError):
            import_file(path)
