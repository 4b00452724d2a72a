"""Estimates with a budget, and what is advised by them."""

from tradeoffbounds.report.advice import advice

from .case_two_records import record as case_two_record
from .records import bound, record_at


def record(
    *methods, limit=0.5, penalties=(0.1, 1.0), same_source=False, estimated=None, certified=None, drifts=None,
    shared_prompts=False, exact=False, stand_in=False, **options
):  # fmt: skip
    """An estimate with a budget; ``estimated`` and ``certified`` are the penalties that its inversion found."""
    config = {
        "confidence": 0.95, "max_tokens": 256, "model": "embedded", "alignment": "orca", "proxy": "alpaca-gpt4",
        "capability": "my data.jsonl", "data_dir": None, "system_prompt": "You are a helpful assistant.",
    } | options  # fmt: skip
    made = case_two_record(*methods, drifts=drifts) | record_at(
        *penalties, same_source=same_source, shared_prompts=shared_prompts, exact=exact, stand_in=stand_in
    )
    made["overlap"] |= {
        "tv_prompts": bound(0.6, side="value"), "overlap_mass": bound(0.05, side="value"),
        "tv_prompts_lower": bound(0.4, kind="certified", side="lower"),
    }  # fmt: skip
    return made | {
        "config": config,
        "max_safety_gap": {
            "limit": limit, "penalty_from": {"estimated": estimated, "certified_proxy_gap": certified},
            "searched": [0.001, 1000.0], "floor": 0.0,
        },
    }  # fmt: skip


def told(found, about):
    return " ".join(each["sentence"] for each in found if each["about"] == about)


def advised(*methods, about, **options):
    return told(advice(record(*methods, **options)), about)
