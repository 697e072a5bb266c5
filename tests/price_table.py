"""A small table of prices for tests: round numbers that are nobody's."""

from __future__ import annotations

from moor.cost.prices import Prices

PRICES = Prices(
    {
        "sources": {"list": {"title": "a list", "url": "https://list", "date": "2026-01-02"}},
        "instances": {
            "eu-central-1": {"source": "list", "usd": {"t3": {"small": "0.02"}, "m5": {}}}
        },
        "volumes": {
            "eu-central-1": {
                "source": "list",
                "usd": {"gp3": {"gib": "0.1", "iops": "0.006", "mibps": "0.05"}},
            }
        },
        "addresses": {"eu-central-1": {"source": "list", "usd": "0.005"}},
        "balancers": {"eu-central-1": {"source": "list", "usd": "0.03"}},
        "snapshots": {},
    }
)
