"""The Flask application of one region."""

from __future__ import annotations

from flask import Flask

from rideshare.admin import install_admin
from rideshare.orders import open_city
from rideshare.routes import CITY_EXTENSION, install_routes
from rideshare.settings import Settings, SettingsError, refuse_to_start


def create_app(settings: Settings | None = None) -> Flask:
    """Make the application of a region; the program that runs it sets up telemetry.

    Args:
        settings: What to serve and how. Read from the environment where None; a value there that cannot be used ends
            the process with one line that says so.
    """
    if settings is None:
        try:
            settings = Settings.from_environment()
        except SettingsError as error:
            refuse_to_start(error)
    app = Flask("rideshare", static_folder=None)
    app.extensions[CITY_EXTENSION] = city = open_city(settings)
    install_routes(app)
    install_admin(app, city)
    return app
