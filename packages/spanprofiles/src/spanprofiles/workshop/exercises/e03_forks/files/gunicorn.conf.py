"""How gunicorn runs the ferry."""

import os

bind = f"127.0.0.1:{os.environ['PORT']}"
preload_app = True  # the app is loaded once, by the master; workers are forked from it and start at once
workers = 1
threads = 4
worker_class = "gthread"
control_socket_disable = True
