"""The demo: backend, regions of the rideshare app and Locust as processes, and the first linked ride.

Nothing is imported here: CI builds the regions in Go and Java by :mod:`spanprofiles.demo.fleet` before the packages are
there that the rest needs.
"""
