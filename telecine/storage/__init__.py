"""Object stores: one port, three implementations, one contract."""
