"""How a target's server proves who it is: one context for every client that takes one."""

import ssl

from functions._failures import Reject


def context(ca: str | None, target: str, *, verify: bool = True, names: bool = True) -> ssl.SSLContext:
    """A client's TLS context: with the system's authorities unless `ca` (PEM) is given.

    `names` False: any name that an authority vouches for; `verify` False: whoever answers. Raises Reject for a bad PEM.
    """
    made = ssl.create_default_context()
    if ca is not None:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            made.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError):
            raise Reject(f"RotationTarget {target!r}: parameter ca is not a certificate in PEM") from None
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not names or not verify:
        made.check_hostname = False
    if not verify:
        made.verify_mode = ssl.CERT_NONE
    return made
