"""Starts and ends the stack of ``docker-compose.yml``: what ``make up`` and ``make down`` run.

It needs Python's standard library only, so that it runs without a ``.venv``, and either generation of Compose.

- :mod:`spanprofiles.stack.settings`: what ``.env`` and the shell set.
- :mod:`spanprofiles.stack.commands`: runs ``docker`` and Compose, and finds what is missing of them.
- :mod:`spanprofiles.stack.complaints`: what the tools complain of, as one line that says what to do.
- :mod:`spanprofiles.stack.ports`: whether the ports are free.
- :mod:`spanprofiles.stack.containers`: how the containers are.
- :mod:`spanprofiles.stack.lifecycle`: the order of it all.
"""
