# Sourced by run.sh: the installed service: readiness, healing with the API down, journal and catalog, SIGKILL, broken
# policies, a frozen loop, the unit's exposure.

new_machine service
# The marks of a server whose API is down, so that there is an API to wait for.
mkdir -p "$root/var/lib/rancher/k3s/server"
boot

check "the unit is active after its local look" within 20 is active show ActiveState
check "systemd was told READY with a status line" bash -c "[ -n \"\$(nsenter -t $leader -a systemctl show nodepassd -P StatusText)\" ]"
check "the accepted password is in escrow" within 20 in_container test -s /var/lib/nodepassd/escrow
check "the escrow is root's alone" is "600" in_container stat -c %a /var/lib/nodepassd/escrow
check "a removed password file is back" remove_and_heal /etc/rancher/node/password
check "a removed node directory is back" remove_and_heal /etc/rancher/node
check "all of /etc/rancher removed: the password is back" remove_and_heal /etc/rancher
check "its folders are as K3s makes them, whatever the unit's umask" is "755" in_container stat -c %a /etc/rancher/node
owner_is_root() { is 0 in_container stat -c %u /etc/rancher/node/password; }
in_container chown 1000 /etc/rancher/node/password
check "a password file of another owner is root's again" within 10 owner_is_root
check "status tells an ordinary user that the daemon lives" bash -c \
  "nsenter -t $leader -a setpriv --reuid 65534 --regid 65534 --clear-groups nodepassd status | grep -q 'edge-1: in-sync'"
in_container mkdir -p /etc/rancher/k3s
in_container sh -c 'echo "node-name: edge-1" > /etc/rancher/k3s/config.yaml'
check "the heal is in the journal" within 10 recorded healed NODEPASSD_DRIFT=password-file-missing
check "journalctl MESSAGE_ID finds it with its fields" bash -c \
  "nsenter -t $leader -a journalctl -q -o json MESSAGE_ID=$(message_id healed) | grep -q '\"NODEPASSD_NODE\":\"edge-1\"'"
check "journalctl -x shows the catalog's text" bash -c \
  "nsenter -t $leader -a journalctl -q -x --no-pager MESSAGE_ID=$(message_id healed) | grep -q 'A look after the act'"
check "no password is in the journal" bash -c "! nsenter -t $leader -a journalctl -q --no-pager -o export | grep -q $password"
check "status says in sync" in_container nodepassd status
check "explain acts on nothing and says in sync" in_container nodepassd explain

# SIGKILL: systemd starts it again, with escrow and budget as they were.
escrow_before=$(in_container md5sum /var/lib/nodepassd/escrow)
acts_before=$(in_container sh -c "tr -d '\\000' < /var/lib/nodepassd/acts | grep -c begun")
restarts_before=$(show NRestarts)
in_container systemctl kill -s KILL nodepassd
check "SIGKILL: started again" within 20 bash -c \
  "[ \"\$(nsenter -t $leader -a systemctl show nodepassd -P NRestarts)\" -gt $restarts_before ] && [ \"\$(nsenter -t $leader -a systemctl show nodepassd -P ActiveState)\" = active ]"
check "SIGKILL: the escrow is the same" is "$escrow_before" in_container md5sum /var/lib/nodepassd/escrow
check "SIGKILL: the budget is the same" is "$acts_before" in_container sh -c "tr -d '\\000' < /var/lib/nodepassd/acts | grep -c begun"
check "SIGKILL: heals again" remove_and_heal /etc/rancher/node

# Policies.
in_container sh -c 'echo "mdoe: observe" >> /etc/nodepassd/policy.yaml'
in_container systemctl reload nodepassd || true
check "a broken policy on reload is recorded" within 10 recorded policy-rejected
check "a broken policy on reload: still active" is active show ActiveState
check "a broken policy on reload: still heals" remove_and_heal /etc/rancher/node/password
in_container systemctl restart nodepassd
check "a broken policy at start: the last good one is in force" within 20 is active show ActiveState
check "status names the broken line" bash -c "nsenter -t $leader -a nodepassd status | grep -q 'did you mean'"
in_container systemctl stop nodepassd
in_container mv /var/lib/nodepassd/policy /var/lib/nodepassd/policy.away
in_container systemctl start nodepassd || true
check "no last good policy: exit status 78" within 10 is 78 show ExecMainStatus
check "no last good policy: not started again" bash -c \
  "sleep 5; [ \"\$(nsenter -t $leader -a systemctl show nodepassd -P ActiveState)\" = failed ]"
check "status of a dead daemon says when it was last seen" bash -c "nsenter -t $leader -a nodepassd status | grep -q 'last seen'"
in_container mv /var/lib/nodepassd/policy.away /var/lib/nodepassd/policy
in_container sed -i '/^mdoe/d' /etc/nodepassd/policy.yaml
in_container systemctl reset-failed nodepassd
in_container systemctl start nodepassd
check "a mended policy starts" is active show ActiveState

# A server whose API is down: files are healed all the same, and nothing is restarted.
in_container install -d -m 0700 /var/lib/rancher/k3s/server /var/lib/rancher/k3s/server/cred
in_container systemctl restart nodepassd
restarts_before=$(show NRestarts)
check "API down: ready all the same" is active show ActiveState
for minute in 1 2 3; do
  check "API down, minute $minute: the password file is healed" remove_and_heal /etc/rancher/node/password
  sleep "${API_DOWN_PAUSE:-58}"
done
check "API down for three minutes: no restart" is "$restarts_before" show NRestarts
check "API down: status says that it cannot see" bash -c \
  "nsenter -t $leader -a nodepassd status > $work/status; [ \$? = 3 ] && grep -q 'cluster-reachable: NO' $work/status"
in_container rmdir /var/lib/rancher/k3s/server/cred

# A loop that hangs is ended by the watchdog.
in_container mkdir -p /run/systemd/system/nodepassd.service.d
in_container sh -c 'printf "[Service]\nWatchdogSec=3\n" > /run/systemd/system/nodepassd.service.d/fast.conf'
in_container systemctl daemon-reload
in_container systemctl restart nodepassd
restarts_before=$(show NRestarts)
in_container systemctl kill -s STOP nodepassd
check "frozen: ended by the watchdog and started again" within 40 bash -c \
  "[ \"\$(nsenter -t $leader -a systemctl show nodepassd -P NRestarts)\" -gt $restarts_before ] && [ \"\$(nsenter -t $leader -a systemctl show nodepassd -P ActiveState)\" = active ]"

# The unit itself.
check "systemd-analyze verify is clean" bash -c \
  "out=\$(nsenter -t $leader -a systemd-analyze verify nodepassd.service 2>&1 | grep nodepassd); [ -z \"\$out\" ] || { echo \"\$out\"; false; }"
exposure=$(in_container systemd-analyze security nodepassd --no-pager | sed -n 's/.*exposure level for nodepassd.service: \([0-9.]*\).*/\1/p')
check "exposure is at most 2.5 (it is $exposure)" awk -v e="$exposure" 'BEGIN{exit !(e != "" && e <= 2.5)}'
check "stops cleanly on SIGTERM" bash -c \
  "nsenter -t $leader -a systemctl stop nodepassd && [ \"\$(nsenter -t $leader -a systemctl show nodepassd -P Result)\" = success ]"

power_off
