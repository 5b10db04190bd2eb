# SPDX-License-Identifier: Apache-2.0
"""A NautilusTrader node on the sandbox through its own AX adapter, which only the urls tell that the venue is another one.

Run it twice (docs/sandbox-clients.md). A node that is flat buys what is offered and a lot more, rests two bids lower down, cancels one of
them, and stops. A node that finds a position, because the venue tells it so, cancels what rests and sells at the market. The adapter reads
AX_API_KEY and AX_API_SECRET.
"""

from __future__ import annotations

import sys

from nautilus_trader.adapters.architect_ax import (
    AX,
    AxDataClientConfig,
    AxExecClientConfig,
    AxLiveDataClientFactory,
    AxLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderAccepted, OrderEvent
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
from nautilus_trader.model.objects import Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.trading.strategy import Strategy

BELOW = 0.05
"""How far under the market a bid rests, as a share of it: inside the venue's band."""


class TwiceConfig(StrategyConfig, frozen=True):
    """The contract."""

    instrument_id: InstrumentId


class Twice(Strategy):
    """Buys when flat, sells when it holds, and shuts the node down when the venue has confirmed everything."""

    def __init__(self, config: TwiceConfig) -> None:
        super().__init__(config)
        self.is_buying = self.is_selling = False
        self.sent: list[ClientOrderId] = []
        self.has_ended = False

    def on_start(self) -> None:
        """Says what the reconciliation found, then waits for a price."""
        self.log.info(f"FOUND {self.state()}")
        self.is_buying = self.held() == 0
        self.subscribe_quote_ticks(self.config.instrument_id)
        self.subscribe_trade_ticks(self.config.instrument_id)

    def on_stop(self) -> None:
        """Unsubscribes; the orders stay in the book, for the next run to find."""
        self.unsubscribe_quote_ticks(self.config.instrument_id)
        self.unsubscribe_trade_ticks(self.config.instrument_id)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Trades once, at the first price that has two sides."""
        if self.sent or self.is_selling:
            return
        self.log.info(f"QUOTE {tick.bid_price} {tick.bid_size} / {tick.ask_price} {tick.ask_size}")
        if self.is_buying:
            away = float(tick.bid_price) * (1 - BELOW)
            self.send(OrderSide.BUY, int(tick.ask_size) + 1, float(tick.ask_price))
            self.send(OrderSide.BUY, 1, away)
            self.send(OrderSide.BUY, 1, away)
        else:
            self.is_selling = True
            for order in self.resting():
                self.cancel_order(order)
            self.sell_when_alone()

    def on_order_event(self, event: OrderEvent) -> None:
        """Cancels the second order once the venue has taken it, and ends when nothing is on its way."""
        if self.is_buying and isinstance(event, OrderAccepted) and event.client_order_id == self.sent[1]:
            self.cancel_order(self.cache.order(event.client_order_id))
        elif self.is_selling and not self.sent:
            self.sell_when_alone()
        elif self.is_done() and not self.has_ended:
            self.has_ended = True
            self.log.info(f"DONE {self.state()}")
            self.shutdown_system("the example is over")

    def is_done(self) -> bool:
        """True when the orders of this run are where they should be."""
        if not self.is_buying:
            return bool(self.sent) and self.held() == 0 and not self.resting() and not self.cache.orders_inflight_count()
        bought, doomed, left = (self.cache.order(each) for each in self.sent) if len(self.sent) == 3 else (None, None, None)
        return bought is not None and int(bought.filled_qty) > 0 and doomed.is_closed and left.is_open

    def state(self) -> str:
        """Position and open orders, in the venue's own order ids."""
        orders = ", ".join(f"{order.venue_order_id} {order.filled_qty}/{order.quantity} at {order.price}" for order in self.resting())
        return f"position {self.held()} lots, open orders: {orders or 'none'}"

    def held(self) -> int:
        """Lots of the position, with its sign."""
        return int(self.portfolio.net_position(self.config.instrument_id))

    def resting(self) -> list[Order]:
        """Orders of the contract that are open, the oldest first: the cache has them in no order."""
        return sorted(self.cache.orders_open(instrument_id=self.config.instrument_id), key=lambda order: str(order.venue_order_id))

    def send(self, side: OrderSide, lots: int, price: float) -> None:
        """Places a limit order at a price of the contract's tick."""
        instrument = self.cache.instrument(self.config.instrument_id)
        order = self.order_factory.limit(instrument.id, side, instrument.make_qty(lots), instrument.make_price(price))
        self.sent.append(order.client_order_id)
        self.submit_order(order)

    def sell_when_alone(self) -> None:
        """Sells at the market. The adapter asks the venue for a price to cross at, in which no bid of our own may be."""
        if not self.resting():
            order = self.order_factory.market(self.config.instrument_id, OrderSide.SELL, Quantity.from_int(self.held()))
            self.sent.append(order.client_order_id)
            self.submit_order(order)


def node(host: str, symbol: str) -> TradingNode:
    """A node whose clients call ``host`` (``127.0.0.1:8765``), with the strategy on one contract."""
    instrument_id = InstrumentId.from_str(f"{symbol}.{AX}")
    everything = InstrumentProviderConfig(load_all=True)
    built = TradingNode(
        TradingNodeConfig(
            trader_id="TWICE-001",
            logging=LoggingConfig(log_level="INFO", log_colors=False),
            exec_engine=LiveExecEngineConfig(reconciliation=True, reconciliation_startup_delay_secs=1),
            data_clients={
                AX: AxDataClientConfig(base_url_http=f"http://{host}/api", base_url_ws=f"ws://{host}/md/ws", instrument_provider=everything)
            },
            exec_clients={
                AX: AxExecClientConfig(
                    base_url_http=f"http://{host}/api",
                    base_url_orders=f"http://{host}/orders",
                    base_url_ws=f"ws://{host}/orders/ws",
                    instrument_provider=everything,
                )
            },
        )
    )
    built.add_data_client_factory(AX, AxLiveDataClientFactory)
    built.add_exec_client_factory(AX, AxLiveExecClientFactory)
    built.trader.add_strategy(Twice(TwiceConfig(instrument_id=instrument_id, external_order_claims=[instrument_id])))
    built.build()
    return built


if __name__ == "__main__":
    trading = node(sys.argv[1], sys.argv[2])
    try:
        trading.run(raise_exception=True)
    finally:
        trading.dispose()
