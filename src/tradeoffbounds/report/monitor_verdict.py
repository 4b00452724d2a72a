"""What a training has cost so far, in sentences, from the record that `SafetyMonitor` writes."""

from __future__ import annotations

from tradeoffbounds.report.quantities import Record, marked, number, plain, with_interval

_STOPPED_BY = {
    "lower": "the lower end of its interval exceeds",
    "value": "it exceeds",
    "upper": "the upper end of its interval exceeds",
}


def monitor_verdict(record: Record) -> list[str]:
    """Sentences, the safety gap first; none before the first look."""
    if not record["looks"]:
        return []
    last = record["looks"][-1]
    at = f"step {last['step']}" + (", the best checkpoint loaded" if last["weights"] == "best" else "")
    said = [f"Safety gap at {at}: {_gap(last, 'safety', record)}, relative to {record['reference']}."]
    if "capability_gap" in last:
        said.append(f"Capability gap: {_gap(last, 'capability', record)}; below 0 something was learned.")
    said += [_promise(record, name) for name in last["bounds"]]
    if record["stopped"] is not None:
        budget, stopped = record["config"]["max_safety_gap"], record["stopped"]
        said.append(
            f"Stopped at step {stopped['step']}: of the safety gap, {with_interval(stopped['safety_gap'])}, "
            f"{_STOPPED_BY[record['config']['stop_by']]} the budget of {plain(budget)} nats a response."
        )
    return said


def _gap(look: Record, name: str, record: Record) -> str:
    rows = record["sources"][name]["rows"]
    return (
        f"{with_interval(look[f'{name}_gap'])} nats a response, {plain(number(look[f'{name}_gap_per_token']), 2)} a "
        f"token, measured on {rows} rows"
    )


def _promise(record: Record, name: str) -> str:
    looks = [look for look in record["looks"] if look["verdict"].get(name, "vacuous") != "vacuous"]
    violated = [look["step"] for look in looks if look["verdict"][name].startswith("violated")]
    last = record["looks"][-1]["bounds"][name]
    held = f"held at all {len(looks)} looks" if not violated else f"violated at {len(violated)} of {len(looks)} looks"
    if not looks:
        held = "so far it has said nothing"
    surely = any(look["verdict"][name] == "violated" for look in looks)
    doubt = "" if not violated else ", beyond sampling error" if surely else ", within sampling error"
    status = f" ({last['status']})" if "status" in last else ""
    return f"{last['theorem']}, {last['kind']}: at most {marked(last).lstrip('~mp')}; {held}{doubt}{status}."
