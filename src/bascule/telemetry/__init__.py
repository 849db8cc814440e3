"""How do facts become logs, metrics and traces?

Each listener is subscribed to a stream or bus of facts and takes any fact. What it needs besides the standard library
is imported by its own module alone: `bascule.telemetry.log` (nothing), `bascule.telemetry.prometheus`
(prometheus-client) and `bascule.telemetry.opentelemetry` (opentelemetry-api). Besides,
`bascule.telemetry.otlp_http` (nothing) sends a whole trace to a collector.
"""
