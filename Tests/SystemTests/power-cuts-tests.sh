# Sourced by run.sh: the machine dies in the middle of things, again and again. Only the daemon writes the password file
# here, so whatever lies there afterwards is its work: nothing, or the whole password.

cuts=${POWER_CUTS:-20}
new_machine power-cuts
install -D -m 0755 /dev/stdin "$root/usr/local/sbin/vandal" <<'VANDAL'
#!/bin/bash
# Takes the password away in every way that is whole in itself.
while true; do
  rm -rf /etc/rancher/node
  sleep "0.0$((RANDOM % 9))"
  mv /etc/rancher/node/password /run/taken 2>/dev/null
  sleep "0.0$((RANDOM % 9))"
  chmod 0644 /etc/rancher/node/password 2>/dev/null
  sleep "0.0$((RANDOM % 9))"
  systemctl reload nodepassd 2>/dev/null
done
VANDAL
cat >"$root/etc/systemd/system/vandal.service" <<'UNIT'
[Unit]
After=nodepassd.service
[Install]
WantedBy=multi-user.target
[Service]
ExecStart=/usr/local/sbin/vandal
UNIT
# Enough budget for a machine that is vandalised for hours.
sed -i 's/^  local: .*/  local: { acts: 1000, per: 1s }/' "$root/etc/nodepassd/policy.yaml"
boot
check "the accepted password is in escrow" within 20 in_container test -s /var/lib/nodepassd/escrow
power_off
chroot "$root" systemctl -q enable vandal.service

torn='' lost='' restored=0 gone=0
for cut in $(seq "$cuts"); do
  begin_boot || skip "the container does not boot here"
  # From the middle of the boot to a few seconds into the vandalism.
  sleep "$((RANDOM % 4)).$((RANDOM % 10))"
  power_cut
  file=$root/etc/rancher/node/password
  if [ ! -e "$file" ]; then
    gone=$((gone + 1))
  elif [ "$(cat "$file")" = "$password" ]; then
    restored=$((restored + 1))
  else
    torn="$torn $cut:$(stat -c %s "$file")"
  fi
  .build/release/nodepassd escrow show --root "$root" >"$work/show" 2>&1 || lost="$lost $cut"
done
check "$cuts power cuts: the password file was whole ($restored times) or gone ($gone times), never empty or torn" test -z "$torn"
check "$cuts power cuts: the escrow was good every time" test -z "$lost"
check "$cuts power cuts: both were seen" test "$restored" -gt 0
rm -f "$root/etc/systemd/system/multi-user.target.wants/vandal.service"
boot
check "after the last one the password comes back" within 20 file_is_back
check "no temporary file is left" bash -c "! ls -A $root/etc/rancher/node | grep -q nodepassd"
power_off
