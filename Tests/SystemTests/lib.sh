# Sourced by run.sh: a Debian root that boots a real systemd in a container, again and again, with what tests do to it.

work=$(mktemp -d /var/tmp/nodepassd-system-test.XXXXXX)
template=$work/template
root='' leader='' nspawn='' cgroup='' disk=''
passed=0 failed=0

# skip WHY: the whole test. What has begun is not skipped any more, but failed.
skip() {
  if [ $((passed + failed)) -gt 0 ]; then
    echo "FAIL  $1"
    exit 1
  fi
  echo
  echo "######## SKIPPED: the system test did not run: $1 ########"
  echo
  rm -rf --one-file-system "$work" 2>/dev/null || true
  exit 0
}

clean_up() {
  set +e
  [ -z "$nspawn" ] || power_cut
  [ -z "$disk" ] || umount -l "$disk"
  [ -z "$cgroup" ] || find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
  rm -rf --one-file-system "$work"
}

# A Debian root with nodepassd installed and enabled, and a K3s agent that has joined: its certificates are younger than its
# password. Everything else is each part's own.
make_template() {
  [ "$(id -u)" = 0 ] || skip "it needs root"
  command -v systemd-nspawn >/dev/null || skip "systemd-nspawn is missing (apt-get install systemd-container)"
  command -v mmdebstrap >/dev/null || skip "mmdebstrap is missing (apt-get install mmdebstrap)"
  local hierarchy mirror
  hierarchy=$(awk '$3=="cgroup2"{print $2;exit}' /proc/mounts)
  [ -n "$hierarchy" ] || skip "there is no cgroup2 hierarchy"
  mkdir "$hierarchy/nodepassd-$$" 2>/dev/null || skip "cgroups cannot be made"
  cgroup=$hierarchy/nodepassd-$$
  trap clean_up EXIT

  mirror=$(awk '/^URIs:/{print $2;exit}' /etc/apt/sources.list.d/debian.sources 2>/dev/null || true)
  mmdebstrap --quiet --variant=minbase \
    --include=systemd,systemd-sysv,dbus,libsystemd0,libstdc++6,libyaml-0-2,zlib1g \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --aptopt='Acquire::Check-Valid-Until "false"' \
    bookworm "$template" ${mirror:+"$mirror"} || skip "no Debian root could be made"

  make -s install DESTDIR="$template"
  SYSTEMD_OFFLINE=1 chroot "$template" journalctl --update-catalog
  chroot "$template" systemctl -q enable nodepassd.service nodepassd-restore.service
  od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$template/etc/machine-id"
  echo >>"$template/etc/machine-id"

  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  mkdir -p "$template/etc/rancher/node" "$template/etc/rancher/k3s" "$template/var/lib/rancher/k3s/agent"
  # The name that is configured is the host's own, so that losing the configuration is not losing the name.
  echo edge-1 >"$template/etc/hostname"
  echo "node-name: edge-1" >"$template/etc/rancher/k3s/config.yaml"
  echo "$password" >"$template/etc/rancher/node/password"
  chmod 600 "$template/etc/rancher/node/password"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -days 3 \
    -out "$template/var/lib/rancher/k3s/agent/client-kubelet.crt" -subj "/O=system:nodes/CN=system:node:edge-1" 2>/dev/null
  cp "$template/var/lib/rancher/k3s/agent/client-kubelet.crt" "$template/var/lib/rancher/k3s/agent/serving-kubelet.crt"
}

# new_machine NAME: a root of its own, as the template was.
new_machine() {
  root=$work/$1
  mkdir -p "$root"
  cp -a --reflink=auto "$template/." "$root"
  # A copied file is a new one; the certificates are to be younger.
  touch "$root"/var/lib/rancher/k3s/agent/*.crt
}

# furnish_agent UNIT [ROLE]: a unit as K3s's installer writes it, with the stand-in for its program.
furnish_agent() {
  install -D -m 0755 Tests/SystemTests/fake-k3s "$root/usr/local/bin/k3s"
  mkdir -p "$root/srv/k3s"
  cp "$root/var/lib/rancher/k3s/agent/client-kubelet.crt" "$root/srv/k3s/client.crt"
  cat >"$root/etc/systemd/system/$1.service" <<UNIT
[Unit]
Description=Lightweight Kubernetes
[Install]
WantedBy=multi-user.target
[Service]
Type=notify
NotifyAccess=all
EnvironmentFile=-/etc/default/%N
KillMode=process
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s \\
    ${2:-agent} \\

UNIT
  chroot "$root" systemctl -q enable "$1.service"
}

# boot: the machine below $root; returns when systemd says that it runs.
boot() {
  begin_boot || skip "the container does not boot here"
  local state
  for _ in $(seq 600); do
    state=$([ -z "$leader" ] || nsenter -t "$leader" -a systemctl is-system-running 2>/dev/null || true)
    case $state in running | degraded) return 0 ;; esac
    kill -0 "$nspawn" 2>/dev/null || break
    sleep 0.1
  done
  tail -5 "$work/console.log"
  skip "the container does not boot here"
}

# begin_boot: as boot, but returns as soon as there is a first process.
begin_boot() {
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn -q -b -D "$root" --machine="nodepassd-$$" --console=pipe \
      --register=no --keep-unit --private-network --kill-signal=SIGRTMIN+3 --link-journal=no
  ) </dev/null >>"$work/console.log" 2>&1 &
  nspawn=$!
  local child
  for _ in $(seq 200); do
    for child in $(pgrep -P "$nspawn" || true); do
      # Not the helper that nspawn starts it by, and that is gone a moment later.
      grep -q '^NSpid:.*[[:space:]]1$' "/proc/$child/status" 2>/dev/null || continue
      leader=$child
      return 0
    done
    sleep 0.02
  done
  return 1
}

# power_off: an orderly end.
power_off() {
  kill -TERM "$nspawn" 2>/dev/null || true
  for _ in $(seq 200); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.1; done
  power_cut
}

# power_cut: every process of the machine dies where it stands.
power_cut() {
  [ -z "$leader" ] || kill -KILL "$leader" 2>/dev/null || true
  for _ in $(seq 250); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.01; done
  kill -KILL "$nspawn" 2>/dev/null || true
  wait "$nspawn" 2>/dev/null || true
  nspawn='' leader=''
  find "$cgroup" -mindepth 1 -depth -type d -exec rmdir {} \; 2>/dev/null || true
}

in_container() { nsenter -t "$leader" -a "$@"; }
show() { in_container systemctl show nodepassd -P "$1"; }
show_unit() { in_container systemctl show "$1" -P "$2"; }

# check TITLE COMMAND...: one line each; what failed shows the journal's end.
check() {
  local title=$1
  shift
  if "$@" >"$work/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok    $title"
  else
    failed=$((failed + 1))
    echo "FAIL  $title"
    head -8 "$work/output" | sed 's/^/        /'
    [ -z "$leader" ] || in_container journalctl -u nodepassd -n 6 --no-pager -o cat | cut -c1-300 | sed 's/^/        /'
  fi
}

# within SECONDS COMMAND...: until it holds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}

is() { [ "$("${@:2}")" = "$1" ]; }
not() { ! "$@"; }
file_is_back() { [ "$(in_container cat /etc/rancher/node/password 2>/dev/null)" = "$password" ]; }
recorded() { in_container journalctl -q --no-pager -o cat "NODEPASSD_KIND=$1" "${@:2}" | grep -q .; }
message_id() { sed -n "s/^ *case \.$1: \"\([0-9a-f]\{32\}\)\"/\1/p" Sources/NodePasswordCore/Report/Record.swift | head -1; }
remove_and_heal() {
  in_container rm -rf "$1"
  within 10 file_is_back
}
