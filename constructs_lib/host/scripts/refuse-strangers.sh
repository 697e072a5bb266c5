#!/bin/bash
# Proves on the machine, after each start of Docker, that the open port refuses plain HTTP and
# strangers; else closes it, for now and for every later start. What the options promise is not
# enough: an update of the OS may no longer hand them to dockerd.
# docker.service runs it as root before it counts as started. User data brings it.
#
#   refuse-strangers.sh PORT [DOCKER]
#
# PORT: TCP port of the API. DOCKER: the folder of its files, /etc/docker where unset.
set -u
umask 077

port=$1
docker=${2:-/etc/docker}
socket='docker-tls-tcp.socket'

# Sets `result` to curl's exit status and the HTTP status, such as 0/200 or 56/000.
ask() {
  local http
  http=$(curl --silent --output /dev/null --write-out '%{http_code}' --http1.1 --noproxy '*' \
    --insecure --connect-timeout 5 --max-time 10 "$@")
  result=$?/$http
}

# A certificate that nobody has signed but its own key.
make_stranger() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 \
    -config <(printf '[req]\nprompt=no\ndistinguished_name=name\n[name]\nCN=stranger\n') \
    -keyout "$folder/key.pem" -out "$folder/cert.pem" 2>/dev/null
}

close() {
  # dockerd has the listening socket open itself. That this fails ends it, and systemd starts it
  # again; without its options the socket stays closed then.
  rm -f "$docker/tls.env"
  systemctl --no-reload disable "$socket"
  systemctl stop "$socket"
  printf 'refuse-strangers.sh: %s; port %s is closed until the next deployment\n' "$1" "$port" >&2
  exit 1
}

# must_refuse WHAT CURL_ARGUMENT...: 35, 52, 55, 56: the server broke off the handshake, the request
# or the answer. With TLS 1.3 a client is refused after the handshake only.
must_refuse() {
  local what=$1 attempt
  shift
  for attempt in 1 2 3; do
    ask "$@"
    case $result in
      35/000 | 52/000 | 55/000 | 56/000) return ;;
      0/*) break ;;
    esac
    sleep "0.$attempt"
  done
  close "$what: must be refused, got $result (curl/HTTP status)"
}

folder=$(mktemp -d "${TMPDIR:-/run}/refuse-strangers.XXXXXX") || close "/run: must take a folder, got a refusal"
trap 'rm -rf "$folder"' EXIT

ask "http://127.0.0.1:$port/_ping"
# Nobody listens: there is nothing to prove.
[[ $result != 7/000 ]] || exit 0
# Go's server answers plain HTTP on a TLS port with 400.
[[ $result == 0/400 || $result == 1/000 ]] || must_refuse 'plain HTTP' "http://127.0.0.1:$port/_ping"
must_refuse 'no client certificate' "https://127.0.0.1:$port/_ping"
make_stranger || close 'a foreign certificate: must be made to be tried, got a failure of openssl'
must_refuse 'a foreign certificate' --cert "$folder/cert.pem" --key "$folder/key.pem" \
  "https://127.0.0.1:$port/_ping"
