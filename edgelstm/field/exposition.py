"""Telemetry as Prometheus reads it: the text format, version 0.0.4, names and units by its conventions.

https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/practices/naming/: base units, `_total` for
counters, `_seconds` for times, `_ratio` for what has no unit. No label names a device: the scraper says which machine it asked.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

#: What a server says these texts are.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """A metric, the name that it has in a record, and how it is called and explained."""

    key: str
    kind: str
    name: str
    help: str


#: Numbers of a record, each where it is there and no null.
METRICS = (
    Metric("steps", "counter", "edgelstm_steps_total", "Samples stepped."),
    Metric("streams", "gauge", "edgelstm_streams", "Streams by key."),
    Metric("resets", "counter", "edgelstm_resets_total", "Times the stream went back to its initial state."),
    Metric("deadline", "gauge", "edgelstm_deadline_seconds", "Time within which a sample is to be answered."),
    Metric("deadline_misses", "counter", "edgelstm_deadline_misses_total", "Samples answered after the deadline."),
    Metric("refused_samples", "counter", "edgelstm_refused_samples_total", "Samples that were refused with an error."),
    Metric("bad_lines", "counter", "edgelstm_bad_lines_total", "Lines that were no sample and were left out, or taken for missing ones."),
    Metric("crowded_samples", "counter", "edgelstm_crowded_samples_total", "Samples left out since there was no room for more streams."),
    Metric("held_samples", "counter", "edgelstm_held_samples_total", "Samples that the NaN policy acted upon."),
    Metric("replayed_samples", "counter", "edgelstm_replayed_samples_total", "Samples that the state held already and were left out."),
    Metric("overtaken_samples", "counter", "edgelstm_overtaken_samples_total", "Samples that came behind later ones and were left out."),
    Metric("gaps", "counter", "edgelstm_gaps_total", "Gaps in time up to the longest that is filled."),
    Metric("missing", "counter", "edgelstm_missing_samples_total", "Instants in those gaps that had no sample."),
    Metric("long_gaps", "counter", "edgelstm_long_gaps_total", "Gaps after which the stream began anew."),
    Metric("clock_jumps", "counter", "edgelstm_clock_jumps_total", "Times that the clock of the samples was set back."),
    Metric("duplicates", "counter", "edgelstm_duplicate_samples_total", "Samples with the time of the one before, left out."),
    Metric("extra", "counter", "edgelstm_extra_samples_total", "Second samples for one instant, left out."),
    Metric("late", "counter", "edgelstm_late_samples_total", "Samples older than the one before, left out."),
    Metric("jitter", "counter", "edgelstm_jittered_samples_total", "Samples taken that were further from their instant than the jitter."),
    Metric("snapshots", "counter", "edgelstm_snapshots_total", "States written to disk."),
    Metric("snapshot_failures", "counter", "edgelstm_snapshot_failures_total", "States that could not be written."),
    Metric("snapshot_age", "gauge", "edgelstm_snapshot_age_seconds", "Time since the state on disk was the stream's."),
    Metric("swaps", "counter", "edgelstm_model_swaps_total", "Models that took over from the one before."),
    Metric("swaps_refused", "counter", "edgelstm_model_swaps_refused_total", "New models that were not taken."),
)

#: What is told of each channel.
_CHANNEL = (
    Metric("out_of_range", "counter", "edgelstm_input_out_of_range_total", "Values beyond the range of training by a tenth of it."),
    Metric("stuck", "gauge", "edgelstm_input_stuck", "1 where a channel keeps one value for longer than it did in training."),
    Metric("stuck_total", "counter", "edgelstm_input_stuck_total", "Times that a channel became stuck."),
    Metric("drift", "gauge", "edgelstm_input_drift_ratio", "Recent mean minus that of training, in standard deviations of training."),
)

_SATURATION = Metric("saturation", "gauge", "edgelstm_hidden_saturation_ratio", "Share of a layer's h beyond 0.99 of what it can be.")
_LATENCY = Metric("latency_ns", "histogram", "edgelstm_latency_seconds", "From a sample's arrival until its answer was written.")
_MODEL = Metric("", "gauge", "edgelstm_model_info", "The model that answers: the SHA-256 of its layers and weights.")


def text(record: Mapping[str, Any]) -> str:
    """A record of `Telemetry` in Prometheus' text format."""
    lines = _block(_MODEL, [(_labels(digest=record["digest"], version=record["version"]), 1)])
    lines += _histogram(record["latency_ns"])
    for metric in METRICS:
        if record.get(metric.key) is not None:
            lines += _block(metric, [("", record[metric.key])])
    for metric in _CHANNEL:
        parts = [(_labels(channel=name), told[metric.key]) for name, told in record.get("inputs", {}).items()]
        lines += _block(metric, [(labels, value) for labels, value in parts if value is not None])
    lines += _block(_SATURATION, [(_labels(layer=name), share) for name, share in record.get("saturation", {}).items()])
    return "\n".join(lines) + "\n"


def _block(metric: Metric, values: Iterable[tuple[str, Any]]) -> list[str]:
    """Help, type, and a line for each set of labels; nothing where there is none."""
    lines = [f"{metric.name}{labels} {_number(value)}" for labels, value in values]
    return lines and [*_head(metric), *lines]


def _head(metric: Metric) -> list[str]:
    return [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]


def _histogram(told: Mapping[str, Any]) -> list[str]:
    lines, total = _head(_LATENCY), 0
    for edge, count in told["buckets"].items():
        total += count
        le = "+Inf" if edge == "inf" else _number(int(edge) / 1e9)
        lines.append(f"{_LATENCY.name}_bucket{_labels(le=le)} {total}")
    return [*lines, f"{_LATENCY.name}_sum {_number(told['sum'] / 1e9)}", f"{_LATENCY.name}_count {total}"]


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else repr(value)


def _labels(**values: str) -> str:
    """Labels with their values escaped."""
    escaped = {name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in values.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
