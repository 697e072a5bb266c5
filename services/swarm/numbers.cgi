#!/bin/sh
# The numbers of the store, with a greeting.
echo 'Content-Type: text/plain'
echo
echo "hello from $(cat /greeting)"
wget -q -T 3 -O - --header "X-Token: $(cat /run/secrets/token)" \
  'http://store:9000/cgi-bin/store?all' || echo 'the store does not answer'
