"""Load for rideshare: riders of several kinds, simulated by Locust.

    LOADGEN_URLS=http://127.0.0.1:5001,http://127.0.0.1:5002 \
    locust -f loadgen/locustfile.py --headless --users 10 --spawn-rate 5 --run-time 30s

Without ``--headless`` Locust's page answers on http://127.0.0.1:8089. More load than one process can make comes from
``--master`` and any number of ``--worker``, or from ``--processes N``. Both the page and the master listen on
127.0.0.1; for workers on other machines say ``--master-bind-host``.

The page takes no request from another site, starts no more than 50 riders (``LOADGEN_MOST_RIDERS``, or ``--users`` if
that is more), and sends them to the regions named at the start alone.

At the end the slowest requests are printed with their trace IDs. ``loadgen.settings`` lists the variables.
"""

from __future__ import annotations
