#!/bin/sh
# Counts what it is asked to, for who knows the secret, and tells all numbers.
echo 'Content-Type: text/plain'
if [ "${HTTP_X_TOKEN}" != "$(cat /run/secrets/token)" ]; then
  echo 'Status: 403 Forbidden'
  echo
  exit 0
fi
echo
case "${QUERY_STRING}" in
  todo | done) echo >> "/data/${QUERY_STRING}" ;;
  node=*) mkdir -p /data/nodes && touch "/data/nodes/${QUERY_STRING#node=}" ;;
  all)
    touch /data/todo /data/done
    mkdir -p /data/nodes
    echo "todo=$(wc -l < /data/todo) done=$(wc -l < /data/done)"
    echo "nodes=$(cd /data/nodes && printf '%s ' *)"
    ;;
esac
