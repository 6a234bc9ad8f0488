"""The command line of the service: `python -m services.referrals --help`."""

from services.referrals.main import SERVICE
from shared.cli import run_service

if __name__ == "__main__":
    run_service(SERVICE)
