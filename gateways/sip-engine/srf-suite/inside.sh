#!/bin/sh
# Runs in the namespaces that run.ts made, with nothing but a loopback of its own. $1: folder of the run.
set -eu
folder=$1
ip link set lo up
ip address add 172.29.0.0/16 dev lo
for host in $(seq 10 29); do ip address add "172.29.0.$host/32" dev lo; done
for host in $(seq 1 250); do ip address add "172.29.1.$host/32" dev lo; done
mount --bind "$folder/hosts" /etc/hosts
cd "$folder/drachtio-srf"
NODE_ENV=test SRF_SUITE_FOLDER=$folder exec node test/index.js
