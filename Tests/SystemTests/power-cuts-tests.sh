# Sourced by run.sh: the power fails in the middle of things, POWER_CUTS times. Only the daemon writes the password file in
# place of its name, so whatever lies there afterwards is its work.
#
# SIGKILL alone is kinder than a power cut: what was written and never synced would still be there. So the machine lies on
# a disk of its own, an ext4 in a file, that is stopped in the same instant (EXT4_IOC_SHUTDOWN without a flush of the
# journal, as xfstests' `godown` does): what was not synced is gone, and the next mount replays the journal. noauto_da_alloc,
# since the kernel would otherwise mend the very fault that is looked for: a rename without an fsync before it. What this
# does not show is a disk that loses or reorders what it has said to have written, or file systems other than ext4.

cuts=${POWER_CUTS:-25}
node=etc/rancher/node state=var/lib/nodepassd

# plug_in: the disk is there, as the last cut left it. Not before the last process has left the one that was stopped: a
# mount would otherwise be of that one.
plug_in() {
  for _ in $(seq 500); do [ -n "$(losetup -j "$work/disk")" ] || break; sleep 0.02; done
  if [ -n "$(losetup -j "$work/disk")" ]; then
    echo "somebody holds it" >&2
    return 1
  fi
  mount -o loop,noauto_da_alloc,noatime "$work/disk" "$root"
}

# stop PID PAUSE AIM: after PAUSE seconds nothing reaches the disk any more and the process is killed; if AIM is the name of
# a file, within some random thousandths of the first temporary file for it. Prints what had temporary files in that moment.
stop() {
  perl -e 'my ($root, $pid, $pause, $aim, $disk) = @ARGV;
    sub standing {
      map { /\.nodepassd-(\w+)-[^\/]*$/ } glob("$root/etc/rancher/node/.nodepassd-* $root/var/lib/nodepassd/.nodepassd-*")
    }
    select(undef, undef, undef, $pause);
    for (1 .. 20000) { last if !$aim || grep { $_ eq $aim } standing; select(undef, undef, undef, 0.0001) }
    open(my $top, "<", $root) or die "$!"; my $without_flush = pack("L", 2);
    select(undef, undef, undef, 0.003 * rand() ** 3) if $aim;
    my @found = standing;
    if ($disk) { ioctl($top, 0x8004587d, $without_flush) or die "$!" }
    kill("KILL", $pid) if $pid;
    print "@found\n"' "$root" "$1" "$2" "$3" "$disk"
}

# A disk only where it can be had and stopped; elsewhere the cuts are SIGKILLs.
have_disk() {
  truncate -s 2G "$work/disk" && mkfs.ext4 -q -F "$work/disk" && mkdir -p "$root" && plug_in || return 1
  disk=$root
  if stop 0 0 '' >/dev/null && umount "$root" && plug_in; then return 0; fi
  umount -l "$root" 2>/dev/null || true
  disk=''
  return 1
}

# power_fails PAUSE AIM: as stop; then the disk as it is found after that.
power_fails() {
  stop "$leader" "$1" "$2" >"$work/standing"
  power_cut
  [ -n "$disk" ] || return 0
  { umount "$root" || umount -l "$root"; } 2>/dev/null
  plug_in 2>"$work/output" && return 0
  echo "FAIL  the disk could not be mounted again: $(cat "$work/output")"
  exit 1
}

root=$work/power-cuts
if have_disk 2>"$work/output"; then
  what="power cuts (what was not synced is lost)"
else
  what="power cuts (SIGKILL only: no ext4 on a loop device here)"
fi
new_machine power-cuts

# A machine that boots in half a second: the daemon, who plagues it, and what systemd itself needs for that. Its journal is
# in memory: two hundred that were not closed would fill the disk.
cat >"$root/etc/systemd/system/plagued.target" <<'UNIT'
[Unit]
Requires=basic.target
After=basic.target
Wants=nodepassd.service vandal.service
UNIT
ln -sf plagued.target "$root/etc/systemd/system/default.target"
cat >"$root/etc/systemd/system/vandal.service" <<'UNIT'
[Unit]
After=nodepassd.service
[Service]
ExecStart=/usr/local/sbin/vandal
UNIT
install -D -m 0644 /dev/stdin "$root/etc/systemd/journald.conf.d/memory.conf" <<'CONF'
[Journal]
Storage=volatile
CONF
echo "$password" >"$root/srv/accepted"
install -D -m 0755 /dev/stdin "$root/usr/local/sbin/vandal" <<'VANDAL'
#!/bin/bash
# Keeps the daemon writing: each misdeed waits until the one before is undone. What it puts in the password's place is whole
# and synced, and nothing that could be taken for a password.
node=/etc/rancher/node agent=/var/lib/rancher/k3s/agent
accepted=$(</srv/accepted)
undone() {
  [ "$(stat -c %a "$node/password")" = 600 ] && [ "$(<"$node/password")" = "$accepted" ] && [ ! -e $agent/node-password.txt ]
} 2>/dev/null
soon() { for _ in {1..100}; do "$@" && return; sleep 0.01; done; false; }
another() { [ "$(stat -c %i /var/lib/nodepassd/escrow)" != "$1" ]; }
nonsense() {
  printf 'vandal%010d\nvandal\n' "$SRANDOM" >/srv/nonsense
  sync /srv/nonsense
  mv /srv/nonsense "$1"
}
# As an agent does that was accepted.
certificates() {
  local name
  for name in serving-kubelet client-kubelet; do
    cp $agent/$name.crt /srv/$name.crt
    mv /srv/$name.crt $agent/$name.crt
  done
}
while true; do
  soon undone || continue
  case $((RANDOM % 6)) in
    0) rm -rf $node ;;
    1) rm -f $node/password ;;
    2) chmod 0644 $node/password ;;
    3) nonsense $node/password ;;
    4) nonsense $agent/node-password.txt ;;
    5) before=$(stat -c %i /var/lib/nodepassd/escrow); certificates; soon another "$before" ;;
  esac
done
VANDAL
# Enough budget for a machine that is vandalised for hours, and no rest that is not needed.
sed -i -e 's/^  local: .*/  local: { acts: 1000, per: 1s }/' -e 's/^  settle: .*/  settle: 10ms/' "$root/etc/nodepassd/policy.yaml"

# What lies in the password's place: accepted, nonsense (the vandal's, whole), gone, or torn.
found() {
  local file=$root/$node/password
  if [ ! -e "$file" ]; then echo gone
  elif cmp -s "$file" "$root/srv/accepted"; then echo accepted
  elif [ "$(stat -c %s "$file")" = 24 ] && grep -qx 'vandal[0-9]\{10\}' "$file"; then echo nonsense
  else echo torn; fi
}
in_hex=$(printf %s "$password" | od -An -tx1 | tr -d ' \n')
escrow_is_good() {
  .build/release/nodepassd escrow show --root "$root" && grep -q "^accepted [a-z]* [0-9] $in_hex\$" "$root/$state/escrow"
}
leftovers() { find "$root/$node" "$root/$state" -name '.nodepassd-*' 2>/dev/null; }
daemon_began() { [ -e "/proc/$leader/root/run/nodepassd" ]; }

# Once in peace.
chmod -x "$root/usr/local/sbin/vandal"
boot
check "the accepted password is in escrow" within 20 in_container test -s "/$state/escrow"
power_off
chmod +x "$root/usr/local/sbin/vandal"
sync -f "$root"

declare -A seen=([accepted]=0 [nonsense]=0 [gone]=0 [torn]=0)
torn='' lost='' unbooted='' renewed=0 rewritten=0 left=0 file_before='' escrow_before=''
in_password=0 in_escrow=0 aims=('' password escrow)
began=$SECONDS
for cut in $(seq "$cuts"); do
  if ! { begin_boot && within 20 daemon_began; }; then
    unbooted="$unbooted $cut"
    tail -3 "$work/console.log" | sed 's/^/        /'
    pgrep -P "${nspawn:-0}" -a | sed "s/^/        leader ${leader:-none}, child /" || true
    power_cut
    break
  fi
  # From the first moment in which the daemon can write. A write takes thousandths of a second, so that two thirds are aimed.
  power_fails "0.$(printf %03d $((RANDOM % 1000)))" "${aims[cut % 3]}"
  now=$(found)
  seen[$now]=$((seen[$now] + 1))
  [ "$now" != torn ] || torn="$torn $cut:$(stat -c %s "$root/$node/password")"
  escrow_is_good >"$work/show" 2>&1 || lost="$lost $cut"
  ! grep -qw password "$work/standing" || in_password=$((in_password + 1))
  ! grep -qw escrow "$work/standing" || in_escrow=$((in_escrow + 1))
  [ -z "$(leftovers)" ] || left=$((left + 1))
  file_now=$(stat -c %i:%y "$root/$node/password" 2>/dev/null || true)
  escrow_now=$(stat -c %i:%y "$root/$state/escrow" 2>/dev/null || true)
  [ "$now" != accepted ] || [ "$file_now" = "$file_before" ] || renewed=$((renewed + 1))
  [ "$escrow_now" = "$escrow_before" ] || rewritten=$((rewritten + 1))
  file_before=$file_now escrow_before=$escrow_now
done
echo "      $cuts $what in $((SECONDS - began)) s"
echo "      the password file: whole ${seen[accepted]} times ($renewed of them written anew since the cut before)," \
  "not yet healed ${seen[nonsense]}, gone ${seen[gone]}, torn ${seen[torn]}"
echo "      the escrow: another than at the cut before $rewritten times"
echo "      in the middle of a write of the password $in_password times, of the escrow $in_escrow;" \
  "with a temporary file left on the disk $left"
check "$cuts power cuts: the password file was never empty or torn${torn:+:$torn}" test -z "$torn"
check "$cuts power cuts: the escrow was good every time${lost:+, but not at$lost}" test -z "$lost"
check "after each the daemon began again${unbooted:+, but not at$unbooted}" test -z "$unbooted"
check "some cuts came in the middle of a write" test $((in_password + in_escrow)) -gt 0
check "the daemon wrote both between the cuts" test "$renewed" -gt 0 -a "$rewritten" -gt 1

chmod -x "$root/usr/local/sbin/vandal"
boot
check "after the last one the password comes back" within 20 file_is_back
check "no temporary file is left" is "" leftovers
power_off
[ -z "$disk" ] || umount "$root"
disk=''
