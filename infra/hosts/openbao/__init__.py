"""The embedded authority: an OpenBao server of our own, set up once and supervised (issue: `lockstep up`)."""
