#!/bin/sh
echo "users"
