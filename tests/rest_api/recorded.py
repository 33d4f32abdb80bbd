"""Requests, and the responses that FastAPI was recorded to give with the published document."""

import json
from pathlib import Path
from typing import Any

RECORDED = json.loads((Path(__file__).parents[1] / "spec/rest-validation-cases.json").read_text())


def with_all_digits(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case with the long number that the recording abbreviates."""
    if not case["name"].startswith("digits_"):
        return case
    number = "9" * int(case["name"].removeprefix("digits_"))
    parsed = {**case["parsed"], "time_before": int(number)} if "parsed" in case else None
    query = f"time_before={number}&time_after=10"
    return {**case, "query": query} | ({"parsed": parsed} if parsed else {})


CASES = [with_all_digits(case) for case in RECORDED["cases"]]
