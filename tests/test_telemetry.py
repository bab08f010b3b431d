"""What a running stream counts: latencies, drift, what was refused; as JSON lines and as Prometheus reads it."""

import gc
import json
import platform
import re
import time
import urllib.request
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from cli_calls import CSV, ROWS, call, launch, line_of, make_model, refused
from hypothesis import given, settings
from hypothesis import strategies as st

import edgelstm as el
from edgelstm.compiler.step_clock import code_for
from edgelstm.compiler.targets import TARGETS
from edgelstm.field import exposition
from edgelstm.field.sensors import SensorChecks
from edgelstm.field.telemetry import LOOKED_AT, About, Telemetry
from edgelstm.runners import Samples
from edgelstm.runners.saturation import saturation
from edgelstm.runtime import native_call

ABOUT = About("ab" * 32, "0.1.0", ("ax", 'a"y\\\n', "az"))


@pytest.fixture(scope="module")
def model():
    return replace(make_model(), window=None, statistics=el.InputStatistics.of(ROWS))


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    file = tmp_path_factory.mktemp("telemetry") / "model.elstm"
    el.save(model, file)
    return file


def block(count=1, begins=False):
    return Samples(ROWS[:count], range(count), begins=begins)


def parsed(text):
    """Samples of the text format by name and labels, as its grammar has them."""
    found, types = {}, {}
    for line in text.splitlines():
        if line.startswith("#"):
            kind, name, rest = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line).groups()
            types |= {name: rest} if kind == "TYPE" else {}
            continue
        name, labels, value = re.fullmatch(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)', line).groups()
        family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in types else name
        assert family in types, line
        assert (family, labels, name) not in found
        found[name + (labels or "")] = float(value)
    for name, kind in types.items():
        assert name.endswith("_total") == (kind == "counter"), name
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 5)), min_size=1, max_size=20))
def test_latencies_fall_into_their_buckets(taken):
    telemetry = Telemetry(ABOUT, deadline=0.001)
    for took, count in taken:
        telemetry.answered(block(count), took)
    record = telemetry.record()
    total = 0
    for edge, count in record["latency_ns"]["buckets"].items():
        total += count
        assert total == sum(n for took, n in taken if took <= float(edge))
    assert record["latency_ns"]["sum"] == sum(took * n for took, n in taken)
    assert record["deadline_misses"] == sum(n for took, n in taken if took > 1_000_000)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_blocks_are_counted_when_they_are_answered():
    now = iter([100, 350, 1000, 2500])
    telemetry = Telemetry(ABOUT, clock=lambda: next(now))
    passing = telemetry.observe([block(3), block(2, begins=True)])
    assert len(next(passing).values) == 3
    assert telemetry.steps == 0
    assert len(next(passing).values) == 2
    assert (telemetry.steps, telemetry.resets, telemetry.latency[0]) == (3, 0, 3)
    assert list(passing) == []
    assert (telemetry.steps, telemetry.resets, telemetry.latency[3]) == (5, 1, 2)


class Other(NamedTuple):
    """A block that is laid out otherwise."""

    begins: bool
    values: np.ndarray


@pytest.mark.parametrize("looked_at", [False, True])
def test_compiled_code_counts_the_same(looked_at, monkeypatch):
    """Blocks of one kind and of another, long and short, some of which begin recordings; what is looked at, and when."""
    draw, made = np.random.default_rng(4), []
    for i in range(400):
        values = draw.normal(size=(draw.integers(1, 30), 3)).astype(np.float32)
        values = np.asfortranarray(values) if i % 7 == 6 else values  # compiled code looks at none of these
        begins = bool(draw.random() < 0.1)
        made.append(Other(begins, values) if i % 50 == 49 else Samples(values, range(len(values)), begins=begins))
    records = []
    for native in (True, False):
        if not native:
            monkeypatch.setattr("edgelstm.field.telemetry.counting", lambda: None)
        sensors = SensorChecks(el.InputStatistics.of(ROWS)) if looked_at else None
        telemetry = Telemetry(ABOUT, deadline=60, sensors=sensors)
        passing = telemetry.observe(iter(made))
        assert next(passing) is made[0]
        assert telemetry.steps == 0
        assert [one is other for one, other in zip(passing, made[1:], strict=True)] == [True] * 399
        telemetry.look()
        record = telemetry.record()
        assert sum(record["latency_ns"]["buckets"].values()) == record["steps"] == sum(len(block.values) for block in made)
        assert 0 < record.pop("latency_ns")["sum"] < 60e9 * record["steps"]
        assert len(telemetry._clocks) == native or not native_call.usable()
        records.append(record)
    assert records[0]["resets"] == sum(block.begins for block in made)
    for record in records:
        for channel in record.get("inputs", {}).values():
            channel["drift"] = pytest.approx(channel["drift"], rel=1e-4)  # sums over other pieces
    assert records[0] == records[1]


def test_what_is_late_or_fails_is_counted_by_compiled_code():
    def failing():
        begin = time.perf_counter()
        yield block(2)
        spent.append(time.perf_counter() - begin)
        time.sleep(0.41)
        yield block(3)
        raise OSError("the wire broke")

    telemetry, spent = Telemetry(ABOUT, deadline=0.3), []
    for samples in (passing := telemetry.observe(failing())):
        if len(samples.values) == 3:
            time.sleep(0.41)
            break
    early = telemetry.deadline_misses
    assert (telemetry.steps, early) == (2, 0) or spent[0] > 0.3  # the wait for a sample is not its latency; a busy machine may be
    with pytest.raises(OSError, match="the wire broke"):
        next(passing)
    assert (telemetry.steps, telemetry.deadline_misses) == (5, early + 3)
    assert 1.2e9 <= telemetry.latency_ns < 60e9
    assert list(passing) == []
    with pytest.raises(AttributeError, match="values"):
        list(telemetry.observe([7]))
    broken = telemetry.observe(block() for _ in range(3))
    del telemetry
    gc.collect()
    assert len(list(broken)) == 3


def test_what_prometheus_reads():
    statistics = el.InputStatistics.of(ROWS)
    telemetry = Telemetry(ABOUT, deadline=0.02, sensors=SensorChecks(statistics))
    for _ in range(LOOKED_AT):
        telemetry.answered(Samples(ROWS[:1] + np.float32(50), (1,)), 300)
    telemetry.asked += [lambda: {"late": 3, "snapshot_age": 1.5}, lambda: {"saturation": {"lstm": 0.25}}]
    text = exposition.text(telemetry.record())
    found = parsed(text)
    assert found[f'edgelstm_model_info{{digest="{"ab" * 32}",version="0.1.0"}}'] == 1
    assert found["edgelstm_steps_total"] == found['edgelstm_latency_seconds_bucket{le="+Inf"}'] == LOOKED_AT
    assert found['edgelstm_latency_seconds_bucket{le="2.5e-07"}'] == 0
    assert found['edgelstm_latency_seconds_bucket{le="5e-07"}'] == LOOKED_AT
    assert found["edgelstm_latency_seconds_sum"] == pytest.approx(300e-9 * LOOKED_AT)
    assert found["edgelstm_deadline_seconds"] == 0.02
    assert found["edgelstm_late_samples_total"] == 3
    assert found["edgelstm_snapshot_age_seconds"] == 1.5
    assert found['edgelstm_hidden_saturation_ratio{layer="lstm"}'] == 0.25
    assert found['edgelstm_input_out_of_range_total{channel="ax"}'] == LOOKED_AT
    assert found['edgelstm_input_stuck{channel="a\\"y\\\\\\n"}'] == 1
    drift = (float(ROWS[0, 0] + np.float32(50)) - statistics.mean[0]) / statistics.std[0]
    assert found['edgelstm_input_drift_ratio{channel="ax"}'] == pytest.approx(drift, rel=1e-6)
    parser = pytest.importorskip("prometheus_client.parser")
    families = {family.name: family for family in parser.text_string_to_metric_families(text)}
    assert {sample.labels["channel"] for sample in families["edgelstm_input_stuck"].samples} == {"ax", 'a"y\\\n', "az"}


def test_saturation_is_the_share_of_h_near_its_limit(model):
    stream = el.Stream(model)
    assert saturation(stream) == {"lstm0": 0.0}
    stream.set_state("lstm0", h=[0.995, -1.0, 0.9, 0.0])
    assert saturation(stream) == {"lstm0": 0.5}


def test_a_run_writes_what_it_counts(path, model, tmp_path):
    odd = CSV + "9,x,9\n" + "900,nan,1\n"
    told = ("--bad-lines", "skip", "--nan-policy", "hold", "--metrics", tmp_path / "m.jsonl", "--metrics-every", 0)
    result = call("run", path, *told, given=odd)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()]
    last = lines[-1]
    assert len(lines) > 1
    assert (last["steps"], last["bad_lines"], last["held_samples"], last["refused_samples"]) == (41, 1, 1, 0)
    assert last["digest"] == el.Stream(model).digest
    assert last["deadline"] == 0.02
    assert [last["inputs"][name]["out_of_range"] for name in ("ax", "ay", "az")] == [1, 0, 0]
    refused(call("run", path, "--metrics", tmp_path / "m.jsonl", given=CSV + "x,1,2\n"), 1)
    assert json.loads((tmp_path / "m.jsonl").read_text().splitlines()[-1])["refused_samples"] == 1
    refused(call("run", path, "--metrics", tmp_path / "none" / "m", given=CSV), 1)
    refused(call("run", path, "--web", "no:port", given=CSV), 2)


def test_a_live_run_is_scraped(path):
    with launch("run", path, "--web", "0") as process:
        process.stdin.write(CSV.encode())
        for _ in range(41):
            line_of(process)
        (url,) = re.findall(r"http://\S+/", process.stderr.readline().decode())
        with urllib.request.urlopen(f"{url}metrics", timeout=30) as answer:
            assert answer.headers["Content-Type"] == exposition.CONTENT_TYPE
            found = parsed(answer.read().decode())
        process.stdin.close()
        process.wait(60)
    assert found["edgelstm_steps_total"] >= 0
    assert process.returncode == 0


# ---------------------------------------------------------------- a stream that the user steps


def test_a_timed_step_is_the_step(model):
    observed, plain = el.Observed(el.Stream(model, nan_policy="raise"), deadline=60), el.Stream(model)
    names = dict(zip(model.input_names, ROWS[0].tolist(), strict=True))
    for x in [*ROWS, ROWS[0].tolist(), names]:
        assert np.array_equal(observed.step(x), plain.step(x))
    for bad in ([1, 2], np.full(3, np.nan, np.float32)):
        with pytest.raises(el.InputError):
            observed.step(bad)
    observed._stepped.input[:] = plain.input[:] = ROWS[3]
    assert np.array_equal(observed.step(), plain.step())
    record = observed.record()
    assert (record["steps"], record["refused_samples"], record["deadline_misses"]) == (43, 2, 0)
    assert 0 < record["latency_ns"]["sum"] < 60e9
    assert observed.record() == record
    assert f"edgelstm_steps_total {43}\n" in observed.text()


@pytest.mark.parametrize("native", [True, False])
def test_a_timed_step_looks_at_its_sensors(model, native, monkeypatch):
    """Whatever a sample is given as, and not where it is refused."""
    if not native:
        monkeypatch.setattr("edgelstm.field.observed.counting", lambda: None)
    observed, twin = el.Observed(el.Stream(model, nan_policy="hold")), SensorChecks(model.statistics)
    odd = ROWS[:4] + np.float32(50)
    named = dict(zip(model.input_names, odd[2].tolist(), strict=True))
    given = [*ROWS, odd[0], odd[1].tolist(), named, odd[3].astype(np.float64), np.repeat(odd[3], 2)[::2], np.full(3, np.nan, np.float32)]
    for x in given:
        observed.step(x)
    observed._stepped.input[:] = odd[0]
    observed.step()
    with pytest.raises(el.InputError):
        observed.step([1.0, 2.0])
    twin.look_by_numpy(np.concatenate([ROWS, odd, odd[3:], odd[3:] * np.nan, odd[:1]]))
    for name in ("samples", "out_of_range", "stuck", "stuck_total"):
        assert np.array_equal(getattr(observed.sensors, name), getattr(twin, name)), name
    assert observed.sensors.samples == 47
    assert np.allclose(observed.sensors.drift, twin.drift, rtol=1e-6)
    following = el.Stream(replace(model, statistics=None))
    observed.follow(following)
    observed.step(ROWS[0])
    assert observed.sensors is None


@pytest.mark.parametrize("native", [True, False])
def test_every_late_step_is_counted(model, native, monkeypatch):
    if not native:
        monkeypatch.setattr("edgelstm.compiler.step_clock._COUNTERS", {})
        monkeypatch.setattr("edgelstm.compiler.step_clock._loaded", [])
    observed = el.Observed(el.Stream(model), deadline=1e-12)
    before = time.perf_counter_ns()
    for x in ROWS:
        observed.step(x)
    spent = time.perf_counter_ns() - before
    record = observed.record()
    assert (record["steps"], record["deadline_misses"]) == (40, 40)
    assert record["latency_ns"]["sum"] <= 1.05 * spent
    if platform.machine() in ("x86_64", "aarch64"):
        assert (observed._native is not None) == native or not native_call.usable()


def test_the_counter_of_another_machine_is_read_too():
    code = code_for(TARGETS["rpi4"])
    assert code.count((0xD53BE040).to_bytes(4, "little")[1:]) == 5  # MRS of CNTVCT_EL0 to any register
    assert b"\x0f\x31" in code_for(TARGETS["x86-64-v3"])  # RDTSC
