#!/usr/bin/env bash
# Ends the daemon's writes with SIGKILL at each of their system calls, and fails each call with each error it can have:
# afterwards the file is the old one or the new one, whole; the next write succeeds; no temporary file is left.
# Then the same on a full disk and on a read-only one. Needs strace; the last part needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec </dev/null
export SWIFT_BACKTRACE=enable=no

program=$PWD/.build/release/nodepassd-demo
work=$(mktemp -d /var/tmp/nodepassd-write-path.XXXXXX)
root=$work/root
passed=0 failed=0
trap 'umount "$work/disk" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

skip() {
  echo
  echo "######## SKIPPED: the write-path test did not run: $1 ########"
  echo
  exit 0
}
command -v strace >/dev/null || skip "strace is missing (apt-get install strace)"
strace -f -o /dev/null true 2>/dev/null || skip "strace may not trace here"

fail() {
  failed=$((failed + 1))
  echo "FAIL  $*"
}

file_of() {
  case $1 in
  password) echo "$root/etc/rancher/node/password" ;;
  escrow) echo "$root/var/lib/nodepassd/escrow" ;;
  policy) echo "$root/var/lib/nodepassd/policy" ;;
  act) echo "$root/var/lib/nodepassd/acts" ;;
  row) echo "$root/var/lib/rancher/k3s/server/cred/node-passwd" ;;
  manifest) echo "$root/var/lib/rancher/k3s/server/manifests/a.yaml" ;;
  baseline) echo "$root/var/lib/nodepassd/manifests/list" ;;
  esac
}

write() { "$program" write-once "$1" "$2" --root "$root"; }

# The file's contents as a reader would take them; an act log by its words.
contents() {
  case $1 in
  act) tr -d '\000' <"$(file_of act)" | awk 'NF==6{printf "%s ", $5}' ;;
  # The own row's password; the row of another node must be there, too.
  row)
    grep -q '^other,edge,edge,$' "$(file_of row)" || echo "another row is lost"
    sed -n 's/,own,own,$//p' "$(file_of row)"
    ;;
  policy) tail -n +2 "$(file_of policy)" ;;
  baseline) awk '$1 == "file" { printf "%s", $2 }' "$(file_of baseline)" ;;
  *) cat "$(file_of "$1")" ;;
  esac
}

furnish() {
  rm -rf "$root"
  mkdir -p "$root"
  if [ "$1" = row ]; then
    # Its directory is K3s's to make.
    mkdir -p "$(dirname "$(file_of row)")"
    echo 'other,edge,edge,' >"$(file_of row)"
  fi
  [ "$2" = absent ] || write "$1" "old-text" >/dev/null
}

# Both words must be acceptable: what was there, or what was to be there.
check_after() {
  local target=$1 before=$2 what=$3 now='' expected_old='' expected_new=''
  [ -e "$(file_of "$target")" ] && now=$(contents "$target")
  if [ "$before" = present ]; then expected_old=old-text; fi
  case $target in
  act)
    expected_new=$(echo "$expected_old new-text " | sed 's/^ //')
    [ -z "$expected_old" ] || expected_old="$expected_old "
    ;;
  *) expected_new=new-text ;;
  esac
  if [ "$now" != "$expected_old" ] && [ "$now" != "$expected_new" ]; then
    fail "$target, $before, $what: torn: “$now”"
    return
  fi
  if ! write "$target" "last-text" >"$work/out" 2>&1; then
    fail "$target, $before, $what: the next write fails: $(head -1 "$work/out")"
    return
  fi
  case "$(contents "$target")" in
  *last-text | *"last-text ") ;;
  *) fail "$target, $before, $what: the next write was lost"; return ;;
  esac
  if find "$root" -name '.nodepassd-*' | grep -q .; then
    fail "$target, $before, $what: a temporary file is left"
    return
  fi
  passed=$((passed + 1))
}

# What a tracer is to look at: the directory, the file, and the temporary file beside it.
paths_of() {
  local file
  file=$(file_of "$1")
  printf -- '-P\n%s\n' "$(dirname "$file")" "$file" "$(dirname "$file")/.nodepassd-$(basename "$file")-00000000"
}

traced() {
  local target=$1
  shift
  local -a paths
  mapfile -t paths < <(paths_of "$target")
  # In a shell of its own, so that the word "Killed" goes there.
  (strace -f -qq -o "$work/trace" -e signal=none "${paths[@]}" "$@" \
    "$program" write-once "$target" new-text --root "$root" >"$work/out" 2>&1 || true) >/dev/null 2>&1
}

# The calls of one undisturbed write that concern these, each as NAME and its number within its thread.
calls_of() {
  furnish "$1" "$2"
  traced "$1"
  awk '
    { thread = $1; sub(/^[0-9]+ +/, "") }
    !/^[a-z0-9_]+\(/ { next }
    { name = $0; sub(/\(.*/, "", name); number = ++count[thread, name] }
    name !~ /^(execve|fstat|getdents64|lseek|close|read|pread64)$/ { print name, number }
  ' "$work/trace"
}

inject() {
  local target=$1 before=$2 call=$3 number=$4 how=$5
  furnish "$target" "$before"
  traced "$target" -e trace="$call" -e inject="$call:$how:when=$number"
  grep -qE 'INJECTED|= [?]' "$work/trace" || { fail "$target, $before, $call #$number: not reached"; return; }
  check_after "$target" "$before" "$call #$number $how"
}

for target in password escrow policy act row manifest baseline; do
  for before in absent present; do
    calls_of "$target" "$before" >"$work/calls"
    [ -s "$work/calls" ] || fail "$target, $before: no call was seen"
    while read -r call number; do
      inject "$target" "$before" "$call" "$number" signal=KILL
      for error in EIO ENOSPC EROFS EINVAL; do inject "$target" "$before" "$call" "$number" "error=$error"; done
    done <"$work/calls"
  done
done
echo "write path: $passed interrupted writes, each old or new and healed by the next; $failed failed"

[ "$(id -u)" = 0 ] || skip "the full and the read-only disk need root"
root=$work/disk
mkdir "$root"
mount -t tmpfs -o size=64k tmpfs "$root" 2>/dev/null || skip "nothing can be mounted here"

check_disk() {
  local title=$1 cause=$2 target=$3
  if write "$target" new-text >"$work/out" 2>&1; then fail "$title: $target was written"; return; fi
  grep -q "$cause" "$work/out" || { fail "$title: $target: $(head -1 "$work/out")"; return; }
  [ "$(contents "$target")" = old-text ] || { fail "$title: $target is not the old one"; return; }
  ! find "$root" -name '.nodepassd-*' | grep -q . || { fail "$title: $target: a temporary file is left"; return; }
  passed=$((passed + 1))
}
for target in password escrow policy manifest baseline; do write "$target" old-text >/dev/null; done
head -c 1M /dev/zero >"$root/filler" 2>/dev/null || true
for target in password escrow policy manifest baseline; do check_disk "full disk" "No space left" "$target"; done
rm "$root/filler"
mount -o remount,ro "$root"
for target in password escrow policy manifest baseline; do check_disk "read-only disk" "Read-only file system" "$target"; done
mount -o remount,rw "$root"
write password new-text >/dev/null && [ "$(contents password)" = new-text ] || fail "the disk is writable again, the file is not"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
