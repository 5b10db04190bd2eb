# SPDX-License-Identifier: Apache-2.0
"""``kilohour contracts``: what can be traded, every term with its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kilohour.cli import options

if TYPE_CHECKING:
    from kilohour.contracts import Contract, Product, Registry

group = typer.Typer(
    help="List products, and show one with the source of every term.",
    rich_markup_mode="rich",
    epilog="Example: [cyan]kilohour contracts show NYMEX:GPU1-2026-12[/cyan]",
)

Venue = Annotated[str | None, typer.Option("--venue", metavar="VENUE", show_default=False, help="Only this venue's, as SIM or NYMEX.")]
Near = Annotated[
    int | None,
    typer.Option("--near", metavar="YEAR", show_default=False, help="The year near which a symbol with a short year lies."),
]
Code = Annotated[
    str,
    typer.Argument(
        metavar="CODE",
        show_default=False,
        help="A product (SIM:H100), a contract (SIM:H100-2027-03) or, with --near, a venue's symbol (GPU1Z6).",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds the group."""
    app.add_typer(group, name="contracts")


@group.callback(invoke_without_command=True)
def _bare(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_products()


@group.command("list", epilog="Example: [cyan]kilohour contracts list --venue SIM[/cyan]")
def list_products(venue: Venue = None, contracts: options.Contracts = None, json: options.Json = False) -> None:
    """List the products of the registry."""
    from kilohour.cli.output import grid, print_json, show
    from kilohour.contracts import Registry
    from kilohour.errors import UnknownName

    products = Registry.shipped(contracts).products()
    venues = sorted({product.venue for product in products})
    if venue is not None and venue not in venues:
        raise UnknownName("venue", venue, venues, where="the registry")
    rows = [_row(product) for product in products if venue in (None, product.venue)]
    if json:
        print_json({"products": rows})
        return
    columns = ("code", "status", "unit", "listed_months", "name")
    show(
        grid(
            "",
            ("Code", "Status", "Unit", "Listed", "Name", "Unknown"),
            [[row[column] for column in columns] + [len(row["unknown_terms"])] for row in rows],
            right=("Unknown",),
        )
    )


@group.command("show", epilog="Example: [cyan]kilohour contracts show NYMEX:GPU1 --assume gpu1-2026[/cyan]")
def show_one(
    code: Code, near: Near = None, assume: options.Assume = None, contracts: options.Contracts = None, json: options.Json = False
) -> None:
    """Show a product with the source of every term, or a contract with its days."""
    from kilohour.cli.output import print_json
    from kilohour.contracts import Assumptions, Registry

    registry = Registry.shipped(contracts).assuming(*(Assumptions.load(name) for name in assume or ()))
    product, contract = _find(registry, code, near)
    if json:
        print_json({**_entry(product), **({"contract": _days(contract)} if contract is not None else {})})
    else:
        _print(product, contract)


VenueName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", show_default=False, help="A venue such as ax, or a TOML file of your own; without it all."),
]


@group.command("venues", epilog="Example: [cyan]kilohour contracts venues ax[/cyan]")
def show_venues(name: VenueName = None, json: options.Json = False) -> None:
    """Show what venues do with orders: accepted, emulated by kilohour, or refused with which reason code."""
    from kilohour.cli.output import grid, print_json, show
    from kilohour.contracts.venue import NAMES, Venue
    from kilohour.contracts.venue_pages import reason_rows, shown_state, venue_entry

    if name is None:
        venues = [Venue.shipped(each) for each in Venue.names()]
        if json:
            print_json({"venues": [venue_entry(venue) for venue in venues]})
            return
        found = {feature: [venue.capability(feature) for venue in venues] for feature in NAMES}
        rows = [[feature, *(each.state if each.is_known else "unknown" for each in row)] for feature, row in found.items()]
        show(grid("Unknown is refused too.", ("Feature", *(venue.name for venue in venues)), rows))
        return
    venue = Venue.load(name)
    if json:
        print_json(venue_entry(venue))
        return
    show(grid(f"{venue.name}: {venue.title}", ("Feature", "What happens", "Source"),
              [(feature, shown_state(found), found.source) for feature, found in venue.capabilities.items()]))  # fmt: skip
    show(grid("Where our risk gate refuses, the venue's own code", ("Our code", "Its code", "Source"), reason_rows(venue)))


def _find(registry: Registry, code: str, near: int | None) -> tuple[Product, Contract | None]:
    if code in registry.by_code:
        return registry.product(code), None
    product, month = registry.parse(code, near=near)
    return product, product.contract(month)


def _row(product: Product) -> dict[str, Any]:
    return {
        "code": product.code,
        "name": product.name,
        "venue": product.venue,
        "status": product.status,
        "chip": product.chip,
        "index": product.index,
        "unit": product.unit,
        "listed_months": str(product.get("listed_months") or "unknown"),
        "unknown_terms": list(product.unknown_terms),
    }


def _entry(product: Product) -> dict[str, Any]:
    from kilohour.contracts.specs import SPECS
    from kilohour.contracts.terms import plain

    terms = {
        name: {
            "value": plain(term.value),
            "unit": SPECS[name].unit,
            "source": term.source,
            "assumed_by": term.assumed_by,
        }
        for name, term in product.terms.items()
    }
    return {**_row(product), "terms": terms}


def _days(contract: Contract) -> dict[str, Any]:
    from kilohour.units import date_of, datetime_of

    def time(nanos: int) -> str | None:
        return None if contract.is_perpetual else f"{datetime_of(nanos):%Y-%m-%dT%H:%M:%SZ}"

    return {
        "code": contract.code,
        "symbol": contract.symbol,
        "month": contract.month,
        "listed": f"{datetime_of(contract.listed_at):%Y-%m-%d}",
        "last_trade": time(contract.last_trade_at),
        "settlement_known": time(contract.settlement_at),
        "fixing_days": [str(date_of(day)) for day in contract.fixing_days],
        "rule": contract.rule,
    }


def _print(product: Product, contract: Contract | None) -> None:
    from kilohour.cli.output import grid, show
    from kilohour.contracts.specs import SPECS
    from kilohour.contracts.terms import shown

    if contract is not None:
        days = _days(contract)
        days["fixing_days"] = _span(days["fixing_days"])
        show(
            grid(
                f"{contract.code}, a contract of {product.code}",
                ("Day", "Value"),
                [(key.replace("_", " "), "never" if value is None else str(value)) for key, value in days.items()],
            )
        )
    rows = []
    for name, term in product.terms.items():
        unit = SPECS[name].unit
        source = f"assumed by {term.assumed_by}: {term.source}" if term.assumed_by else term.source
        rows.append((name, shown(term.value) + (f" {unit}" if unit and term.is_known and unit != "date" else ""), source))
    show(grid(f"{product.code}: {product.name}", ("Term", "Value", "Source"), rows))


def _span(days: list[str]) -> str:
    if not days:
        return "none: the venue states the final price"
    return days[0] if len(days) == 1 else f"{len(days)} days, {days[0]} to {days[-1]}"
