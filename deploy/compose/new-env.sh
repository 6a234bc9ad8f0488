#!/bin/sh
# Writes .env for docker-compose.yml: .env.example with a secret of its own for every `change-me`.
#
#     sh deploy/compose/new-env.sh
set -eu
cd "$(dirname "$0")/../.."
if [ -e .env ]; then
  echo ".env is there already; its secrets are in use, so it stays as it is." >&2
  exit 1
fi
umask 077
while IFS= read -r line; do
  case $line in
    *=change-me) printf '%s=%s\n' "${line%%=*}" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
    *) printf '%s\n' "$line" ;;
  esac
done <.env.example >.env
echo "Wrote .env. Keep it: the database and the referral codes depend on its secrets."
