"""HTTP to the servers that every change waits for: kept-alive connections whose answers a C parser reads."""
