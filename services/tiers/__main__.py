"""The command line of the service: `python -m services.tiers --help`."""

from services.tiers.main import SERVICE
from shared.cli import run_service

if __name__ == "__main__":
    run_service(SERVICE)
