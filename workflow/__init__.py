"""The liverseg workflow: rules, the scripts that they call, and the library behind them."""
