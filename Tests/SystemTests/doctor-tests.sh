# Sourced by run.sh: `nodepassd doctor` where systemd, its bus and its journal are real, on an agent and on a server.

new_machine doctor
furnish_agent k3s-agent
boot

# examine [OPTION...]: what doctor says, and its exit status.
examine() {
  examined=0
  in_container nodepassd doctor "$@" >"$work/doctor.out" 2>&1 || examined=$?
}
says() { grep -qE -- "$1" "$work/doctor.out" || { cat "$work/doctor.out"; false; }; }
says_not() { ! says "$1" >/dev/null || { cat "$work/doctor.out"; false; }; }
# mend DRIFT: types the command that doctor names for it.
mend() { in_container sh -c "$(sed -n "/$1: /,/mend  /s/^ *mend  //p" "$work/doctor.out" | head -1)"; }
# All of K3s's and the daemon's files, with their times.
files() { in_container find /etc/rancher /var/lib/rancher /var/lib/nodepassd -printf '%p %m %U %s %T@ %C@\n' | sort | md5sum; }
# The worst of all findings is the verdict, and the verdict is the exit status.
json_is_whole() {
  grep -q '"findings"' "$work/doctor.out" || return 1
  case $examined in
    0) says '"verdict" *: *"in-sync"' ;;
    1) says '"verdict" *: *"being-handled"' ;;
    2) says '"verdict" *: *"needs-person"' ;;
    3) says '"verdict" *: *"unknown"' ;;
    *) false ;;
  esac
}

check "the agent joins" within 20 is active show_unit k3s-agent ActiveState
check "its accepted password is in escrow" within 20 recorded escrow-accepted
before=$(files)
examine
check "doctor on an agent: what is installed" says '^  ok +installation +k3s, agent, in /var/lib/rancher/k3s$'
check "doctor on an agent: the version, by the unit's program" says '^  ok +version +v1\.34\.2\+k3s1: Secrets with a type'
check "doctor on an agent: its name" says 'this machine is “edge-1”'
check "doctor on an agent: no drift" says '^  ok +drift +machine: no drift'
check "doctor on an agent: the escrow" says 'the accepted password is in escrow'
check "doctor on an agent: the unit, over the bus" says '^  ok +unit +k3s-agent\.service is active$'
check "doctor on an agent: the journal" says '^  ok +journal +the unit.s lines can be read$'
check "doctor on an agent: the daemon that runs" says '^  ok +daemon +nodepassd [0-9][^ ]* runs, and says in-sync$'
check "doctor on an agent: certificates of three days" says '^  PERSON +certificates .*client-kubelet\.crt is good for [23] more days$'
check "doctor on an agent: a server's checks are none of it" says_not '^  [a-zA-Z]+ +(tokens|rights) '
check "doctor on an agent: a person is asked for those certificates" [ "$examined" = 2 ]
check "doctor on an agent: no password in it" bash -c "! grep -q $password $work/doctor.out"
examine --output json
check "doctor --output json on an agent is one whole answer" json_is_whole
check "doctor --output json on an agent: no password in it" bash -c "! grep -q $password $work/doctor.out"
check "doctor changes nothing" is "$before" files

in_container systemctl stop nodepassd
in_container chmod 644 /etc/rancher/node/password
examine
check "without the daemon: the open file is told" says 'password-file-exposed: '
check "without the daemon: so is that it does not run" says 'nodepassd does not run'
check "what doctor says to type mends the file" mend password-file-exposed
examine
check "and then it is told no more" says_not 'password-file-exposed'

# The same machine as a server whose API is down, and whose files a version before 1.26.8 has left.
in_container systemctl -q disable --now k3s-agent
furnish_agent k3s server
in_container install -d -m 0700 /var/lib/rancher/k3s/server /var/lib/rancher/k3s/server/cred /var/lib/rancher/k3s/server/tls
in_container install -m 0644 /dev/null /var/lib/rancher/k3s/server/cred/admin.kubeconfig
in_container install -m 0600 /dev/null /var/lib/rancher/k3s/server/tls/server-ca.key
in_container systemctl daemon-reload
in_container systemctl start k3s nodepassd
check "the server runs" within 20 is active show_unit k3s ActiveState
examine
check "doctor on a server: what is installed" says '^  ok +installation +k3s, server and agent, in'
check "doctor on a server: the version, though its API is down" says '^  ok +version +v1\.34\.2\+k3s1: '
check "doctor on a server: the unit" says '^  ok +unit +k3s\.service is active$'
check "doctor on a server: the API could not be asked" says '^  unknown +api '
check "doctor on a server: a kubeconfig in a closed folder is no drift" says_not 'credential-exposed'
in_container chmod 644 /var/lib/rancher/k3s/server/tls/server-ca.key
examine
check "doctor on a server: an open key is told" says 'credential-exposed: .*tls/server-ca\.key \(0644\)'
check "doctor on a server: a person is asked for it" [ "$examined" = 2 ]
check "what doctor says to type closes the key" mend credential-exposed
check "it is root's alone" is 600 in_container stat -c %a /var/lib/rancher/k3s/server/tls/server-ca.key
examine --output json
check "doctor --output json on a server is one whole answer" json_is_whole
check "and tells of the key no more" says_not 'credential-exposed'

power_off
