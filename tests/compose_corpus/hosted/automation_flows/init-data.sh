#!/bin/sh
set -e
echo "made a user"
