"""A bill for a person, and for a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from moor.cost.bill import named
from moor.cost.prices import ELSEWHERE
from moor.cost.things import HOURS

if TYPE_CHECKING:
    from rich.console import Console

    from moor.cost.bill import Bill
    from moor.cost.things import Line


def show(bill: Bill, console: Console) -> None:
    """Print a bill, and where each of its prices is from."""
    console.print(Text(f"A month of {HOURS} hours in {bill.region}, in US dollars", style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True)
    unpriced = bill.unpriced
    table.add_column("what", footer=Text("together"), overflow="fold")
    table.add_column(
        "how much", footer=Text("of what has a price" if unpriced else ""), overflow="fold"
    )
    table.add_column("list price", justify="right", overflow="fold")
    table.add_column("a month", footer=Text(f"{bill.total:.2f}"), justify="right")
    for line in bill.lines:
        usd = Text("?", style="yellow") if line.usd is None else Text(f"{line.usd:.2f}")
        table.add_row(Text(line.what), Text(line.quantity), Text(_price(line)), usd)
    console.print(table)
    console.print()
    if unpriced:
        console.print(
            Text(
                f"not in the table for {bill.region}: {named(unpriced)}; see {ELSEWHERE}", "yellow"
            )
        )
    if bill.maker:
        console.print(Text(f"prices: {bill.maker}"))
    for source in bill.sources:
        console.print(Text(f"prices of {source.date}: {source.title}"))
        console.print(Text(f"  {source.url}", style="dim"), soft_wrap=True)
        if source.note:
            console.print(Text(f"  {source.note}"))
    console.print(Text("not counted:"))
    for sentence in bill.uncounted:
        console.print(Text(f"  {sentence}"))


def _price(line: Line) -> str:
    if line.price is None:
        return "not in the table"
    article = "an" if line.price.unit in ("hour", "hours", "IOPS") else "a"
    return f"{line.price.usd} {article} {line.price.unit}"


def as_json(bill: Bill) -> dict[str, Any]:
    """Return a bill for a script; amounts are text, since they are exact."""
    return {
        "region": bill.region,
        "currency": "USD",
        "monthly": f"{bill.total:.2f}",
        "complete": not bill.unpriced,
        "lines": [
            {
                "what": line.what,
                "quantity": line.quantity,
                "price": None if line.price is None else str(line.price.usd),
                "unit": None if line.price is None else line.price.unit,
                "source": None if line.price is None else line.price.source.url,
                "date": None if line.price is None else line.price.source.date,
                "monthly": None if line.usd is None else f"{line.usd:.2f}",
            }
            for line in bill.lines
        ],
        "not_counted": list(bill.uncounted),
        "prices_by": bill.maker or "table",
    }
