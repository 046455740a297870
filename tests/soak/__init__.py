"""A soak: an exchange that goes wrong every few seconds, and a client that is watched meanwhile.

``python -m soak`` runs it, with ``tests`` on the path; ``make soak`` does that for half an hour.
The exchange has a process of its own, so that what is measured of this one is the client's.
"""
