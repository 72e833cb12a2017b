"""How fast, how frugal: Lockstep against the least that could do the same work, in one run (README.md here)."""
