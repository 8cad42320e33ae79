"""`ledger serve`: the service, in one process or several."""

from uvicorn.supervisors import Multiprocess

from api.app import build, from_environment, listen, serve_on, server_config
from api.cli.opening import opened
from api.http.auth import ensure_admin_key
from ledger.settings import read_settings


def serve() -> None:
    settings = read_settings()
    if settings.workers > 1:
        from_environment()  # an error of the set-up is reported here once, not by every process
    with listen(settings) as listener, opened(may_begin=True) as at:
        if settings.admin_key:  # and so is an admin key that is refused
            with at.location.connect() as connection:
                ensure_admin_key(connection, settings.admin_key.get_secret_value())
        if settings.workers > 1:
            config = server_config("api.app:from_environment", factory=True, workers=settings.workers)
            Multiprocess(config, [listener]).run()
        else:
            serve_on(build(at.settings, at.location), listener, log_level="info")
