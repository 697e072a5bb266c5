#!/bin/bash
# Installs the server's certificate and the list of clients, opens the Docker API over mutual TLS
# and proves that it refuses strangers. On any failure the API is closed and stays closed.
# Runs on the machine as root, any number of times.
#
#   open-docker-api.sh request [UPLOADS [DOCKER]]
#   open-docker-api.sh PORT [UPLOADS [DOCKER]]
#
# The first makes a new private key, which never leaves the machine, and writes server.csr, the
# request for its certificate; what runs goes on with what it has. The second installs all of it.
# PORT: TCP port of the API. UPLOADS: where the request is written, and where ca.pem, server.pem
# and clients.pem were uploaded, /run/moor where unset; all are removed from there. DOCKER: the
# folder that they are installed into, /etc/docker where unset.
set -euo pipefail
umask 077

task=${1:-}
uploads=${2:-/run/moor}
docker=${3:-/etc/docker}

socket='docker-tls-tcp.socket'
ca=$docker/ca.pem
clients=$docker/clients.pem
certificate=$docker/server.pem
key=$docker/server-key.pem
options=$docker/tls.env

say() {
  printf 'open-docker-api.sh: %s\n' "$1"
}

fail() {
  say "$1" >&2
  exit 1
}

# The key is on the disk, readable by root alone from its first byte on (umask 077).
make_request() {
  rm -f "$key.new" "$uploads/server.csr"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$key.new"
  # A configuration of its own: what the system's says does not matter, nor whether there is one.
  openssl req -new -sha256 -key "$key.new" -out "$uploads/server.csr" \
    -config <(printf '[req]\nprompt=no\ndistinguished_name=name\n[name]\nCN=docker\n')
  # For the SSH user, in a folder that is that user's alone.
  chmod 0644 "$uploads/server.csr"
}

close() {
  # Without its options the socket's conditions fail too, at every later start.
  rm -f "$options"
  systemctl disable "$socket"
  systemctl stop "$socket"
  # dockerd has the listening socket open itself: it has to stop, to come back without.
  systemctl stop docker.service
  # A socket that failed is not "inactive", and the guard of docker.service takes nothing else.
  systemctl reset-failed "$socket" docker.service
  systemctl start docker.service
  if [[ -n $(ss -Hltn "sport = :$port") ]]; then
    say "port $port: must be closed, got something that still listens; stop the machine" >&2
  else
    say "the Docker API is closed" >&2
  fi
}

at_exit() {
  local status=$?
  trap - EXIT
  set +e
  rm -f "$uploads/server.csr" "$uploads/ca.pem" "$uploads/server.pem" "$uploads/clients.pem" "$key.new"
  if ((status != 0)); then
    close
  fi
  exit "$status"
}

check_uploads() {
  local file
  for file in "$key.new" "$uploads/ca.pem" "$uploads/server.pem" "$uploads/clients.pem"; do
    [[ -s $file ]] || fail "$file: must exist, got no such file or an empty one"
  done
  local of_certificate of_key answer
  of_certificate=$(openssl x509 -in "$uploads/server.pem" -noout -pubkey) ||
    fail "$uploads/server.pem: must be a certificate, got something else"
  of_key=$(openssl pkey -in "$key.new" -passin pass: -pubout 2>/dev/null) ||
    fail "$key.new: must be a private key, got something else"
  [[ $of_certificate == "$of_key" ]] ||
    fail "$uploads/server.pem: must belong to $key.new, got another key's"
  answer=$(openssl verify -x509_strict -purpose sslserver -CAfile "$uploads/ca.pem" \
    "$uploads/server.pem" 2>&1) ||
    fail "$uploads/server.pem: must be a valid server certificate of ca.pem, got: ${answer//$'\n'/ }"
  openssl x509 -in "$uploads/clients.pem" -noout 2>/dev/null ||
    fail "$uploads/clients.pem: must be certificates, got something else"
}

# Beside the target and then renamed: a reader sees the old file or the new one.
install_file() {
  install -m "$3" -o root -g root "$1" "$2.new"
  mv -f "$2.new" "$2"
}

install_files() {
  # Without its options the API stays closed and Docker starts all the same: whatever ends this
  # in the middle leaves no key without its certificate in use.
  rm -f "$options"
  install_file "$uploads/ca.pem" "$ca" 0644
  install_file "$uploads/clients.pem" "$clients" 0644
  install_file "$uploads/server.pem" "$certificate" 0644
  chmod 0600 "$key.new"
  mv -f "$key.new" "$key"
  printf 'DOCKER_OPTS=--tlsverify --tlscacert=%s --tlscert=%s --tlskey=%s\n' \
    "$clients" "$certificate" "$key" >"$options.new"
  mv -f "$options.new" "$options"
}

open_socket() {
  local attempt
  systemctl daemon-reload
  systemctl enable "$socket"
  # Stopped even if it was open: only a start looks at the conditions.
  systemctl stop "$socket"
  for attempt in 1 2 3; do
    # The service has to be down when the socket starts. A request on the local socket can bring
    # it back in between.
    systemctl stop docker.service
    systemctl reset-failed docker.service
    if systemctl start "$socket" && systemctl is-active --quiet "$socket"; then
      break
    fi
    ((attempt < 3)) || fail "$socket: must start, got a refusal; journalctl --unit $socket"
  done
  systemctl start docker.service ||
    fail "docker.service: must start with TLS, got a failure; journalctl --unit docker.service"
}

# Sets `result` to curl's exit status and the HTTP status, such as 0/200 or 56/000.
ask() {
  local status=0 http
  http=$(curl --silent --output /dev/null --write-out '%{http_code}' --http1.1 --noproxy '*' \
    --connect-timeout 5 --max-time 10 "$@") || status=$?
  result=$status/$http
}

serves_our_certificate() {
  local shown
  shown=$(openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null |
    openssl x509 -noout -fingerprint -sha256 2>/dev/null) || true
  [[ $shown == "$(openssl x509 -in "$certificate" -noout -fingerprint -sha256)" ]]
}

verify() {
  local end=$((SECONDS + 20))
  until serves_our_certificate; do
    ((SECONDS < end)) || fail "port $port: must serve the installed certificate, got none or another"
    sleep 0.2
  done
  # 35, 55, 56, 52: the server broke off the handshake, the request or the answer. With TLS 1.3
  # a client is refused after the handshake only.
  ask --cacert "$ca" "https://127.0.0.1:$port/_ping"
  case $result in
    35/000 | 52/000 | 55/000 | 56/000) say "no client certificate: refused" ;;
    *) fail "no client certificate: must be refused, got $result (curl/HTTP status)" ;;
  esac
  # Go's server answers plain HTTP on a TLS port with 400.
  ask "http://127.0.0.1:$port/_ping"
  case $result in
    0/400 | 1/000 | 52/000 | 55/000 | 56/000) say "plain HTTP: refused" ;;
    *) fail "plain HTTP: must be refused, got $result (curl/HTTP status)" ;;
  esac
}

[[ $(id -u) == 0 ]] || fail "must run as root, got $(id -un); sudo bash open-docker-api.sh"
if [[ $task == request ]]; then
  make_request
  say "the machine asks for a certificate of a new key"
  exit 0
fi
port=$task
if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
  fail "PORT: must be in 1..65535, got '$port'"
fi

trap at_exit EXIT
check_uploads
install_files
open_socket
verify
say "the Docker API is open on port $port"
