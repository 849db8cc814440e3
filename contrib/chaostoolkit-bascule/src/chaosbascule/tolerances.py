"""Whether what a probe said is good enough: functions for `"tolerance": {"type": "probe", ...}`."""

__all__ = ["promise_kept"]


def promise_kept(value: str = "") -> bool:
    """Nothing contradicts the promise: no drill has been judged yet, or the verdict of the last one is PASS.

    Args:
        value: What the probe `verdict` said.
    """
    return value in {"NOT RUN", "RUNNING", "PASS"}
