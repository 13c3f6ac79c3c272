#!/usr/bin/env bash
# Boots a Debian root with a real systemd in a container, installs nodepassd there, and tries it.
# Needs root, systemd-nspawn and mmdebstrap; where the machine does not allow a container it says so and is skipped.
# Parts by name: run.sh service agents (the default), and power-cuts, where POWER_CUTS=n says how often the power fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null
. Tests/SystemTests/lib.sh

make_template
for part in ${*:-service agents}; do
  echo "== $part"
  . "Tests/SystemTests/$part-tests.sh"
done

echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
