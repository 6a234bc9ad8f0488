#!/bin/sh
# The one-shot jobs of docker-compose.yml. Each is safe to repeat: `docker compose up` runs them every time.
#
#     setup.sh secrets                refuse to start with a secret that is missing or was left as in .env.example
#     setup.sh keys                   make the key pair that signs tokens, unless there is one
#     setup.sh token ...              print a token signed with it; the options of `python -m shared.tokens create`
#     setup.sh topics                 create the topics of all services
#     setup.sh program first FILE     give the program to each service that has none yet
#     setup.sh program always FILE    give it to all of them: a changed file becomes the next version
set -eu

services() {
  for folder in services/*/; do
    [ ! -f "$folder/__main__.py" ] || basename "$folder"
  done
}

secrets() {
  bad=""
  for name in POSTGRES_PASSWORD LEDGER_DATABASE_PASSWORD TIERS_DATABASE_PASSWORD REFERRALS_DATABASE_PASSWORD \
    NOTIFIER_DATABASE_PASSWORD LEDGER_HASH_KEY REFERRALS_HASH_KEY NOTIFIER_LINK_KEYS; do
    eval "value=\${$name:-}"
    case $value in "" | *change-me*) bad="$bad $name" ;; esac
  done
  [ -z "$bad" ] || {
    echo "Not set, or left as in .env.example:$bad" >&2
    echo "\`sh deploy/compose/new-env.sh\` writes a .env with secrets of your own." >&2
    exit 1
  }
}

keys() {
  [ -f /keys/private/private.pem ] || python -m shared.tokens keys --folder /keys/private
  cp /keys/private/public.pem /keys/public/public.pem
}

token() {
  python -m shared.tokens create --key /keys/private/private.pem "$@"
}

topics() {
  for service in $(services); do
    python -m "services.$service" topics
  done
}

program() {
  for service in $(services); do
    if [ "$1" = first ]; then
      known=$(python -m "services.$service" program show --json)
      if [ "$known" != "[]" ]; then
        echo "$service: has a program; it stays as it is"
        continue
      fi
    fi
    python -m "services.$service" program apply "$2"
  done
}

"$@"
