"""Vectorised figures of quotes, trades and option chains, in plain numpy over event tables.

What is unknown in a table is NaN in the figures. Nothing here changes a table.
"""

from dxstream.analytics.chain import ChainPivot, Options, chain_pivot, parse_options
from dxstream.analytics.exposure import (
    GammaExposure,
    PortfolioGreeks,
    gamma_exposure,
    portfolio_greeks,
)
from dxstream.analytics.prices import (
    SymbolVwap,
    imbalance,
    micro_price,
    mid,
    spread,
    spread_bps,
    vwap,
    vwap_by_symbol,
)
from dxstream.analytics.volatility import (
    RiskReversal,
    Smile,
    TermStructure,
    iv_smile,
    risk_reversal,
    term_structure,
)

__all__ = [
    "ChainPivot",
    "GammaExposure",
    "Options",
    "PortfolioGreeks",
    "RiskReversal",
    "Smile",
    "SymbolVwap",
    "TermStructure",
    "chain_pivot",
    "gamma_exposure",
    "imbalance",
    "iv_smile",
    "micro_price",
    "mid",
    "parse_options",
    "portfolio_greeks",
    "risk_reversal",
    "spread",
    "spread_bps",
    "term_structure",
    "vwap",
    "vwap_by_symbol",
]
