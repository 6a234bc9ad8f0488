"""The command line of the service: `python -m services.ledger --help`."""

from services.ledger.main import SERVICE
from shared.cli import run_service

if __name__ == "__main__":
    run_service(SERVICE)
