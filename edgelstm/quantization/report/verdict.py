"""Whether a quantised model can be shipped, by the record of `compare.compare`."""

from collections.abc import Mapping
from typing import Any

from ..auto import TARGET_DB

#: What a verdict may be, the worst last.
LEVELS = ("ship", "look", "stop")

#: Below this many decibels an output is not worth shipping without a task that says otherwise.
LEAST_DB = 20.0

#: As many of its decisions a classifier may change before somebody should look at them.
MOST_CHANGED = 0.02

#: `metrics.growth` above which the error is said to grow with time.
GROWTH_LIMIT = 3.0

#: A step that takes this many times as long is slower.
SLOWER = 1.05


def verdict(told: Mapping[str, Any]) -> dict[str, Any]:
    """Whether this can be shipped: ``ship``, ``look`` or ``stop``, and the reasons: those that decided it first."""
    parts = (_evidence(told), _quality(told), _over_time(told), _gain(told))
    level = max((level for part in parts for level, _ in part), key=LEVELS.index)
    reasons = [reason for at in reversed(LEVELS) for part in parts for each, reason in part if each == at]
    best = told["keep_in_f32"][0] if told["keep_in_f32"] else None
    if best is not None and level != "ship" and told["output"]["snr_db"] < TARGET_DB and best["gain_db"] > 0:
        reasons.append(f"keeping {best['name']} in f32 brings {best['gain_db']:.1f} dB (--keep {best['name']})")
    return {"level": level, "reasons": reasons}


def judged_on(judged: Mapping[str, Any]) -> str:
    """The data that figures are of."""
    counts = [f"{judged[name]:,} {name[: None if judged[name] != 1 else -1]}" for name in ("steps", "windows")]
    return f"{' of '.join(counts)} that calibration {'did not see' if judged['unseen'] else 'saw'}"


def _quality(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the figures say, each with the level that it alone would give."""
    output, task, judged = told["output"], told["task"], told["judged"]
    db, found = output["snr_db"], []
    if task is not None:
        found += _task(task)
    seen = f"on {judged_on(judged)}"
    if db >= TARGET_DB:
        worth = "which says little of other data" if told["evidence"] else f"above the {TARGET_DB:g} dB that are safe"
        found.append(("ship", f"the output keeps {db:.1f} dB {seen}, {worth}"))
    else:
        level = "stop" if db < LEAST_DB and task is None else "look"
        found.append((level, f"the output keeps {db:.1f} dB {seen}; {TARGET_DB:g} dB is a safe value"))
    if db >= TARGET_DB:
        found += _hidden(output, labelled=task is not None)
    if output["calibrated_db"] < TARGET_DB <= db:
        found.append(("look", f"over the windows that it was calibrated on, the output keeps {output['calibrated_db']:.1f} dB"))
    worst = output["worst"]
    found.append(("ship", f"at worst, {worst['name']} is {worst['int8']:.4g} instead of {worst['f32']:.4g} ({worst['at']})"))
    return found


def _task(task: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What labels say."""
    was, now = task["before"], task["after"]
    level = "stop" if not task["passed"] else "look" if task["falls"] else "ship"
    falls = ", which falls by more than chance would have it" if level == "look" else ""
    steps = f"{task['labelled']:,} labelled step{'s' * (task['labelled'] != 1)}"
    found = [(level, f"{task['name']} {was:.4g} → {now:.4g} over {steps}{falls}")]
    if task["guessing"] is not None and was < task["guessing"]:
        found.append(
            ("look", f"the float model is right less often than guessing is ({task['guessing']:.2g}): are labels those of its outputs?")
        )
    return found


def _hidden(output: Mapping[str, Any], *, labelled: bool) -> list[tuple[str, str]]:
    """What a good figure over the whole output does not show."""
    found, varying = [], output["varying_db"]
    if varying is not None and varying < TARGET_DB:
        level = "stop" if varying < LEAST_DB and not labelled else "look"
        found.append((level, f"of what the output varies by it keeps {varying:.1f} dB: the rest is its mean"))
    if output["decides"] and not labelled and (others := 1 - output["same_decision"]) > MOST_CHANGED:
        found.append(("look", f"{others:.1%} of the decisions are others; labels would tell whether they are worse"))
    return found


def _evidence(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the windows lack."""
    found = [("look", sentence) for sentence in told["evidence"]]
    if not told["judged"]["unseen"]:
        found.append(("look", "the figures are of data that calibration saw: half of it is too little to calibrate on and judge the rest"))
    return found


def _over_time(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    output, found = told["output"], []
    if output["error_growth"] > GROWTH_LIMIT:
        found.append(("look", f"the error grows with time: {output['error_growth']:.1f} times larger at the end of windows than before"))
    growing = [layer for layer in told["layers"] if layer["cell"] and layer["cell"]["grows"]]
    if growing:
        found.append(("look", f"the cell of {_names(growing)} still grows at the end; give longer windows"))
    if bounded := [layer for layer in growing if layer["cell"]["reach"]]:
        found.append(
            ("look", f"the int16 cell of {_names(bounded)} is clipped if it grows on: reset the stream as often as the windows do")
        )
    return found


def _names(layers: list[Mapping[str, Any]]) -> str:
    return ", ".join(layer["name"] for layer in layers)


def _gain(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What quantisation brings in speed and size."""
    found = []
    names = [f"{name}()" for name, (was, now) in told["latency_ns"].items() if now > SLOWER * was]
    slower = f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} slower than f32 on this machine" if names else ""
    if slower and told["scheme"] == "int8-static":
        found.append(("ship", f"{slower}; int8-static is for devices without an FPU"))
    elif slower:
        remedy = "" if told["scheme"] == "auto" else "; --scheme auto avoids that"
        found.append(("look", f"{slower}{remedy}"))
    if not told["keep_in_f32"]:
        found.append(("look", "no layer is quantised, so nothing is gained; the table of layers says why"))
    return found
