"""`paceline serve`: one process per data folder that keeps endpoints as they are wanted."""

from paceline.app.serving.lock import serving_alone
from paceline.app.serving.overview import Noticeboard
from paceline.app.serving.supervisor import ServeOptions, Supervisor
from paceline.app.wiring import Workshop


def serve(options: ServeOptions, shop: Workshop, board: Noticeboard) -> None:
    """Serve until SIGTERM or SIGINT; what is known meanwhile is on the board.

    Raises CapacityError when another one serves this data folder, SetupError when the gateway
    cannot listen.
    """
    with serving_alone(shop.places.data), Supervisor(shop, options, board) as supervisor:
        supervisor.run()
