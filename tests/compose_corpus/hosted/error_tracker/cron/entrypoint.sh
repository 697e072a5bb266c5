#!/bin/sh
exec /usr/local/bin/stand-in "$@"
