#!/bin/bash
# Finishes a grid on the hosts that a file names, a line each, with one worker a host:
#
#   examples/cluster/ssh.sh hosts.txt supp_table1
#
# The folder ~/bench lies on a disk that all hosts share, with the virtual environment, the results and the cache.
set -euo pipefail
hosts="${1:?a file with the names of hosts}" grid="${2:?a grid}"

# -P 0: all hosts at once. -tt: Ctrl-C here, or a lost connection, ends the workers there; what is finished is kept.
# TERM=dumb: lines instead of bars, since several hosts write on one screen.
# --wait: a worker that finds everything taken stays, since a host of the others may fail.
xargs -a "$hosts" -P 0 -I HOST ssh -tt HOST \
  "cd ~/bench && TERM=dumb .venv/bin/python -m bench work --grid $grid --out results --cache-dir cache --wait"
