# Sourced by run.sh: an agent whose password is lost, refused or provisioned, with a unit that behaves like the real one.

agent_unit=k3s-agent
joined() { [ "$(show_unit "$agent_unit" ActiveState)" = active ]; }
agent_pid() { show_unit "$agent_unit" MainPID; }
refusals() { in_container journalctl -q -b -u "$agent_unit" --no-pager -o cat _TRANSPORT=stdout | grep -c 'server is not ready' || true; }
refused() { [ "$(refusals)" -ge "$1" ]; }
policy() { in_container tee /etc/nodepassd/policy.d/test.yaml >/dev/null; }
no_policy() { in_container rm -f /etc/nodepassd/policy.d/test.yaml; }
# Whole daemons only: what was refused before it started is read again from the journal.
fresh_daemon() { in_container systemctl restart nodepassd; }

new_machine agents
furnish_agent k3s-agent
boot
check "the agent joins" within 20 joined
check "its accepted password is in escrow, proven by its certificates" within 20 recorded escrow-accepted

# A wiped /etc heals at boot, before the agent can mint.
power_off
rm -rf "$root/etc/rancher" "$root/srv/k3s/minted"
boot
check "/etc/rancher wiped, rebooted: the agent joins" within 20 joined
check "/etc/rancher wiped, rebooted: with the old password" file_is_back
check "/etc/rancher wiped, rebooted: the agent never minted one" not test -e "$root/srv/k3s/minted"
check "/etc/rancher wiped, rebooted: no refusal in the journal" is 0 refusals

# The agent is faster: the daemon is frozen and the restore masked, so that it surely mints.
in_container systemctl -q mask --runtime nodepassd-restore.service
in_container systemctl kill -s STOP nodepassd
in_container systemctl stop k3s-agent
in_container rm -rf /etc/rancher/node
in_container systemctl start --no-block k3s-agent
check "the agent is faster: it mints and is refused" within 20 refused 1
pid=$(agent_pid)
before=$(refusals)
in_container systemctl kill -s CONT nodepassd
check "the agent is faster: joined at its next retries" within 20 joined
check "the agent is faster: after at most two more refusals" bash -c "[ $(refusals) -le $((before + 2)) ]"
check "the agent is faster: without a restart" is "$pid" agent_pid
check "the agent is faster: the cause stands in the agent's own journal" bash -c \
  "nsenter -t $leader -a journalctl -q -b -u k3s-agent --no-pager -o cat | grep -q 'The agent is refused: the server knows another password'"
in_container systemctl -q unmask --runtime nodepassd-restore.service

# A refusal that no password can mend, told where it hurts, and one alert for it.
in_container sh -c 'echo token > /srv/k3s/answer'
in_container systemctl restart --no-block k3s-agent
check "token refused: three refusals" within 40 refused $(($(refusals) + 3))
check "token refused: recorded with cause and unit" within 10 recorded refused-token NODEPASSD_UNIT=k3s-agent.service
check "token refused: systemctl status k3s-agent shows the cause" bash -c \
  "nsenter -t $leader -a systemctl status --no-pager -n 40 k3s-agent | grep -q 'the server does not accept its token'"
check "token refused: journalctl -u k3s-agent shows it with the remedy" bash -c \
  "nsenter -t $leader -a journalctl -q -u k3s-agent --no-pager -o json MESSAGE_ID=$(message_id refusedToken) + OBJECT_SYSTEMD_UNIT=k3s-agent.service | grep -q NODEPASSD_ADVICE"
check "token refused: the unit still waits, as K3s's does" is activating show_unit k3s-agent ActiveState
check "token refused: status needs a person" bash -c "nsenter -t $leader -a nodepassd status >/dev/null; [ \$? = 2 ]"
check "token refused: the alert unit ran" within 10 bash -c \
  "nsenter -t $leader -a journalctl -q --no-pager -o cat -t nodepassd-alert | grep -q 'refused-token'"
check "token refused: once, not once per retry" bash -c \
  "[ \"\$(nsenter -t $leader -a journalctl -q --no-pager -o cat -t nodepassd-alert | grep -c 'refused-token')\" = 1 ]"
check "token refused: the alert knows the node" bash -c \
  "nsenter -t $leader -a journalctl -q --no-pager -o cat -t nodepassd-alert | grep 'refused-token' | grep -q edge-1"

# Lines that only look like refusals count for nothing.
in_container rm /srv/k3s/answer
check "token mended: the agent joins by itself" within 20 joined
check "token mended: told in the journal" within 60 recorded agent-admitted
forged='time="2026-11-24T10:00:00Z" level=info msg="Waiting to retrieve agent configuration; server is not ready: failed to retrieve configuration from server: https://127.0.0.1:6444/v1-k3s/config: 401 Unauthorized"'
kinds_before=$(in_container journalctl -q --no-pager -o cat NODEPASSD_KIND=refused-token | wc -l)
in_container systemd-run -q --wait --unit=forger echo "$forged"
in_container sh -c "echo '$forged' | systemd-cat -t k3s"
in_container logger --journald <<FORGED || true
MESSAGE=$forged
UNIT=k3s-agent.service
OBJECT_SYSTEMD_UNIT=k3s-agent.service
FORGED
sleep 2
check "forged lines of another unit are no refusal" is "$kinds_before" bash -c \
  "nsenter -t $leader -a journalctl -q --no-pager -o cat NODEPASSD_KIND=refused-token | wc -l"

# Remedies that restart the unit, where the policy asks for them.
policy <<'POLICY'
apiVersion: nodepassd.io/v1
kind: Policy
rules:
  - name: restart-a-refused-agent
    drift: [agent-refused]
    do: restart-agent
POLICY
in_container sh -c 'echo token > /srv/k3s/answer'
in_container systemctl restart --no-block k3s-agent
check "restart-agent: refused" within 40 refused $(($(refusals) + 3))
restarted() { recorded acted NODEPASSD_REMEDY=restart-agent; }
check "restart-agent: done over the bus" within 30 restarted
sleep 20
check "restart-agent: once, although it is still refused" is 1 bash -c \
  "nsenter -t $leader -a journalctl -q --no-pager -o cat NODEPASSD_KIND=acted NODEPASSD_REMEDY=restart-agent | wc -l"
no_policy
in_container rm /srv/k3s/answer
check "restart-agent: the agent is back" within 30 joined

# Another machine has the name: a name of its own, if the policy says so, and the operator's file as it was.
in_container sh -c 'mkdir -p /etc/rancher/k3s; echo "node-name: edge-1" > /etc/rancher/k3s/config.yaml'
config=$(in_container md5sum /etc/rancher/k3s/config.yaml)
policy <<'POLICY'
apiVersion: nodepassd.io/v1
kind: Policy
rules:
  - name: a-name-of-its-own
    drift: [agent-refused]
    do: use-node-id
POLICY
in_container rm -f /var/lib/nodepassd/acts
fresh_daemon
in_container sh -c 'echo somebody-else > /srv/k3s/accepted'
in_container systemctl restart --no-block k3s-agent
drop_in_is_there() { in_container grep -q 'with-node-id: true' /etc/rancher/k3s/config.yaml.d/90-nodepassd-node-id.yaml; }
check "use-node-id: the drop-in is written" within 60 drop_in_is_there
check "use-node-id: the operator's file is untouched" is "$config" in_container md5sum /etc/rancher/k3s/config.yaml
no_policy
in_container rm /etc/rancher/k3s/config.yaml.d/90-nodepassd-node-id.yaml
in_container sh -c "echo $password > /srv/k3s/accepted"
check "use-node-id undone: the agent is back" within 30 joined

# An alert that fails is recorded.
in_container mkdir -p /run/systemd/system/nodepassd-alert@.service.d
in_container sh -c 'printf "[Service]\nExecStart=\nExecStart=/bin/false\n" > /run/systemd/system/nodepassd-alert@.service.d/broken.conf'
in_container systemctl daemon-reload
in_container sh -c 'echo deleted > /srv/k3s/answer'
in_container systemctl restart --no-block k3s-agent
check "a failing alert is recorded" within 40 recorded alert-failed
in_container rm -r /run/systemd/system/nodepassd-alert@.service.d /srv/k3s/answer
in_container systemctl daemon-reload
check "the agent is back" within 30 joined

# Sealed by the host's key.
in_container sed -i 's/^  seal: .*/  seal: [tpm2, host]/' /etc/nodepassd/policy.yaml
in_container systemd-creds setup >/dev/null 2>&1 || true
in_container systemctl stop nodepassd
check "reseal: done, and the fallback is said aloud" bash -c \
  "nsenter -t $leader -a nodepassd escrow reseal 2>&1 | grep -q host"
in_container systemctl start nodepassd
check "sealed: not readable as text" not in_container grep -q "accepted" /var/lib/nodepassd/escrow
check "sealed: a removed file is back" remove_and_heal /etc/rancher/node/password
check "sealed: escrow show says whose and how, and no password" bash -c \
  "nsenter -t $leader -a nodepassd escrow show > $work/show; grep -q host $work/show && ! grep -q $password $work/show"
power_off
rm -rf "$root/etc/rancher/node" "$root/srv/k3s/minted"
boot
check "sealed: wiped and rebooted: joined with the old password" within 20 joined
check "sealed: wiped and rebooted: no refusal" is 0 refusals

# That disk in another machine: another key, another hardware identity.
power_off
sealed=$root/var/lib/nodepassd/escrow
moved=$work/escrow.moved
cp "$sealed" "$moved"
old_id=$(cat "$root/etc/machine-id")
new_machine elsewhere
furnish_agent k3s-agent
chroot "$root" sed -i 's/^  seal: .*/  seal: [host]/' /etc/nodepassd/policy.yaml
install -D -m 0600 "$moved" "$root/var/lib/nodepassd/escrow"
echo "$old_id" | tr '0-9a-f' '1-9a-f0' >"$root/etc/machine-id"
rm -rf "$root/etc/rancher/node"
boot
check "moved to another machine: recorded as foreign" within 20 recorded escrow-foreign
check "moved to another machine: not restored" not file_is_back
check "moved to another machine: nothing of it in the journal" bash -c \
  "! nsenter -t $leader -a journalctl -q --no-pager -o export | grep -q $password"
power_off
