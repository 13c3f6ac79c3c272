#!/bin/bash
# Mails one alarm of nodepassd to $ALERT_MAIL_TO (root where it is not set), by sendmail, or by mail where there is none.
# What it says comes from the environment (NODEPASSD_...).
set -euo pipefail
# Bytes, not characters.
export LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/lib

fail() {
  echo "<3>Failed to mail the alarm: $1" >&2
  exit 1
}

to=${ALERT_MAIL_TO:-root}
pattern='^[^-[:space:][:cntrl:]][^[:cntrl:]]*$'
[[ $to =~ $pattern ]] || fail "ALERT_MAIL_TO is no address"

# One line of ASCII, so that nothing in a value can become a header of its own.
subject="nodepassd on $HOSTNAME: ${NODEPASSD_MESSAGE:-alarm}"
[ -z "${NODEPASSD_DRIFT:-}" ] || subject+=" ($NODEPASSD_DRIFT on ${NODEPASSD_NODE:-this node})"
subject=${subject//[^ -~]/?}
subject=${subject:0:200}

body() {
  local name key
  [ -z "${NODEPASSD_REASON:-}" ] || printf '%s\n\n' "$NODEPASSD_REASON"
  [ -z "${NODEPASSD_ADVICE:-}" ] || printf 'What to do: %s\n\n' "$NODEPASSD_ADVICE"
  for name in "${!NODEPASSD_@}"; do
    [ -n "${!name}" ] || continue
    key=${name#NODEPASSD_}
    printf '%s: %s\n' "${key,,}" "${!name}"
  done
  printf '\nOn %s: nodepassd explain; journalctl -x _SYSTEMD_UNIT=nodepassd.service\n' "$HOSTNAME"
}

if command -v sendmail >/dev/null; then
  # Encoded, so that no line is too long, and none means anything to a mail program.
  { printf 'To: %s\nSubject: %s\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n' "$to" "$subject"
    printf 'Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n'
    body | base64; } | sendmail -oi -t
elif command -v mail >/dev/null; then
  body | mail -s "$subject" "$to"
else
  fail "there is neither sendmail nor mail"
fi
