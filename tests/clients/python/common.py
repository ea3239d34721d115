"""What the Python drivers share: run every scenario, print one JSON line for each."""

import datetime
import decimal
import ipaddress
import json
import os
import sys
import uuid

URI = os.environ["DATABASE_URL"]
DEADLINE_SECONDS = 60


def plain(value):
    """A driver's value as JSON that shows its type where text alone would not."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": bytes(value).hex()[:200], "length": len(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (decimal.Decimal, uuid.UUID, datetime.date, datetime.time,
                          datetime.timedelta, ipaddress.IPv4Address, ipaddress.IPv6Address,
                          ipaddress.IPv4Network, ipaddress.IPv4Interface)):
        return {type(value).__name__: str(value)}
    if isinstance(value, (list, tuple)) or hasattr(value, "values"):
        return [plain(v) for v in value]
    return {type(value).__name__: str(value)}


def emit(name: str, outcome: dict) -> None:
    print(json.dumps({"scenario": name, **outcome}, sort_keys=True), flush=True)


def chosen(scenarios: dict) -> dict:
    return {k: v for k, v in scenarios.items() if len(sys.argv) < 2 or k in sys.argv[1:]}
