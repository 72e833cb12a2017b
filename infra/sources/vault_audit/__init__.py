"""The audit stream of Vault or OpenBao: who else wrote at the authority, from its audit file or its audit socket.

It is a hurry and no guarantee. A line makes a step look at one path; the step reads state and decides by it
(functions/sweep.py says why a forged line does no harm). What cannot be followed is a *gap*, after which one sweep is
ordered. Nothing here makes the authority wait: a file is read when it is there, a socket is always emptied.
"""
