"""What orchestrators and Prometheus ask every few seconds."""

PROBES = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})
