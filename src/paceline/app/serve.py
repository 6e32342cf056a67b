"""`paceline serve`: one process per data folder that keeps endpoints as they are wanted."""

from paceline.app.serving.lock import serving_alone
from paceline.app.serving.supervisor import ServeOptions, Supervisor
from paceline.app.wiring import Workshop


def serve(options: ServeOptions, shop: Workshop) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises CapacityError when another one serves this data folder, SetupError when the gateway
    cannot listen.
    """
    with serving_alone(shop.places.data), Supervisor(shop, options) as supervisor:
        supervisor.run()
