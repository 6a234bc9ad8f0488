"""What a service measures about itself, for Prometheus.

`Metrics` is made once a process and passed to whoever counts; it owns its registry, so two of them (in
tests, or in one process with several services) never meet. Every series carries the label `service`.

What a newcomer would get wrong: `metric.labels(...)` takes a lock and converts its arguments on each call.
A `Family` keeps the labelled children, so that counting an event costs a dict lookup and an addition.
Labels must come from small closed sets (a route's template, a known event type), never from what a caller
sent.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)

# From a quiet system's few milliseconds up to the lock and statement timeouts.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class Family(Generic[M]):
    """One metric with its labelled children, each made once and kept."""

    __slots__ = ("_children", "_fixed", "_metric")

    def __init__(self, metric: M, *fixed: str) -> None:
        self._metric = metric
        self._fixed = fixed
        self._children: dict[tuple[str | int, ...], M] = {}

    def of(self, *labels: str | int) -> M:
        """The child with these label values, in the order in which the metric declares them."""
        try:
            return self._children[labels]
        except KeyError:
            child: M = self._metric.labels(*self._fixed, *labels)
            self._children[labels] = child
            return child

    def forget(self, *labels: str | int) -> None:
        """Stop reporting a child, such as the lag of a partition that now belongs to another worker."""
        if self._children.pop(labels, None) is not None:
            self._metric.remove(*self._fixed, *labels)


class Metrics:
    """All metrics of one process of `service`.

    Attributes with label values: `lag.of(topic, partition).set(n)`, `oldest_event_seconds.of(topic,
    partition).set(s)`, `events.of(type, result).inc(n)` with results applied, duplicate, conflict, refused,
    `dead_letters.of(code).inc()`, `http_seconds.of(route, method, status).observe(s)`,
    `books_balanced.of().set(1)`. Without: `batch_seconds`, `batch_size`, `outbox_age_seconds`,
    `outbox_pending`.
    """

    def __init__(self, service: str, *, version: str = "", registry: CollectorRegistry | None = None) -> None:
        self.service = service
        self.registry = registry if registry is not None else CollectorRegistry(auto_describe=True)
        self._watch_worker()
        self._watch_outbox_and_books()
        self.http_seconds = self._histogram(
            "http_request_seconds", "Time to answer a request.", "route", "method", "status"
        )
        self._gauge("build_info", "1, with the version that runs.", "version").of(version).set(1)
        if registry is None:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)

    def render(self) -> tuple[bytes, str]:
        """The exposition in Prometheus' text format, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _watch_worker(self) -> None:
        self.lag = self._gauge("lag_events", "Events not handled yet.", "topic", "partition")
        self.oldest_event_seconds = self._gauge(
            "oldest_event_seconds", "Age of the oldest event not handled yet.", "topic", "partition"
        )
        self.batch_seconds = self._histogram("batch_seconds", "Time to handle one batch.").of()
        self.batch_size = self._histogram("batch_events", "Events in one batch.", buckets=_BATCH_SIZES).of()
        self.events = self._counter("events", "Events handled, by what became of them.", "type", "result")
        self.dead_letters = self._counter("dead_letters", "Events refused for good, by code.", "code")

    def _watch_outbox_and_books(self) -> None:
        self.outbox_age_seconds = self._gauge(
            "outbox_age_seconds", "Age of the oldest bundle not published."
        ).of()
        self.outbox_pending = self._gauge("outbox_pending_bundles", "Bundles not published yet.").of()
        self.books_balanced = self._gauge(
            "books_balanced", "1 if the last check of the books held, 0 if not; absent where none was made."
        )

    def _gauge(self, name: str, text: str, *labels: str) -> Family[Gauge]:
        gauge = Gauge(name, text, ("service", *labels), namespace="habitue", registry=self.registry)
        return Family(gauge, self.service)

    def _counter(self, name: str, text: str, *labels: str) -> Family[Counter]:
        counter = Counter(name, text, ("service", *labels), namespace="habitue", registry=self.registry)
        return Family(counter, self.service)

    def _histogram(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = _SECONDS
    ) -> Family[Histogram]:
        histogram = Histogram(
            name, text, ("service", *labels), namespace="habitue", registry=self.registry, buckets=buckets
        )
        return Family(histogram, self.service)
