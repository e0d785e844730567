"""`convoy sync`: bring MLflow up to date with the artifacts."""

from pipeline.core.errors import UserError


def sync() -> None:
    """Bring MLflow to the state of the artifacts; safe to repeat."""
    from pipeline.tracking.mirror import Mirror
    from pipeline.tracking.store import TrackingError, uri

    try:
        num_runs = Mirror().sync()
    except TrackingError as error:
        advice = "start the server" if uri().startswith("http") else "correct that"
        raise UserError(f"tracking: {uri()}: {error}; {advice} and try again") from None
    print(f"{uri()}: {num_runs} runs")
