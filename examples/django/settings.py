"""Django's settings: as few as it runs with."""

import secrets

ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "basket"
SECRET_KEY = secrets.token_hex()
