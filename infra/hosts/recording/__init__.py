"""The ledger beside a broker that is somebody else's: it takes every event, and what that broker gave up."""
