#!/bin/sh
# The page: what the service behind it says, or why it says nothing.
echo 'Content-Type: text/plain'
echo
[ "${QUERY_STRING}" = alive ] && exit 0
echo "node=${NODE} task=$(hostname)"
wget -q -T 3 -O - http://api:9000/cgi-bin/numbers || echo 'the api does not answer'
