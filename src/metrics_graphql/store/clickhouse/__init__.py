"""Sessions in ClickHouse, for more of them than one machine holds. An extra: its driver is one."""
