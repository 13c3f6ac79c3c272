#!/usr/bin/env bash
# Boots a Debian root with a real systemd in a container, installs nodepassd there, and tries it.
# Needs root, systemd-nspawn and mmdebstrap; where the machine does not allow a container it says so and is skipped.
# Parts by name: run.sh service agents doctor power-cuts (the default); POWER_CUTS=n says how often the power fails.
set -euo pipefail
# Mounts of its own: whoever else copies the table of mounts would hold a disk that is to be pulled out here.
[ "$(id -u)" != 0 ] || [ -n "${OWN_MOUNTS:-}" ] || exec env OWN_MOUNTS=yes unshare --mount "$0" "$@"
cd "$(dirname "$0")/../.."
exec </dev/null
. Tests/SystemTests/lib.sh

make_template
for part in ${*:-service agents doctor power-cuts}; do
  echo "== $part"
  . "Tests/SystemTests/$part-tests.sh"
done

echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
