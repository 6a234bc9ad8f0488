"""PostgreSQL and Kafka from their official images, where a Docker engine is: `HABITUE_TEST_SERVERS=containers`.

Kafka tells its clients an address to come back to, so its port on the host must be known before it starts.
"""

from __future__ import annotations

import os

from deploy.local import ports

POSTGRES_IMAGE = os.environ.get("POSTGRES_IMAGE", "postgres:18")
KAFKA_IMAGE = os.environ.get("KAFKA_IMAGE", "apache/kafka:4.3.1")
_CLIENT_PORT = 9092
_CONTROLLER_PORT = 9093
_started: list[
    object
] = []  # Kept: the library removes a container when its object goes, and all of them at exit.


def start() -> tuple[str, str]:
    """Start both; returns the database's address and Kafka's bootstrap server. They go when this process ends."""
    return _postgres(), _kafka()


def _postgres() -> str:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    container = PostgresContainer(POSTGRES_IMAGE, username="postgres", driver=None).start()
    _started.append(container)
    return str(container.get_connection_url())


def _kafka() -> str:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy  # noqa: PLC0415

    port = ports.free_port()
    container = DockerContainer(KAFKA_IMAGE).with_bind_ports(_CLIENT_PORT, port)
    for name, value in _settings(port).items():
        container.with_env(name, value)
    _started.append(container.waiting_for(LogMessageWaitStrategy("Kafka Server started")).start())
    return f"{container.get_container_host_ip()}:{port}"


def _settings(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{_CLIENT_PORT},CONTROLLER://:{_CONTROLLER_PORT}",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://localhost:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@localhost:{_CONTROLLER_PORT}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_MESSAGE_MAX_BYTES": str(16 * 2**20),
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    }
