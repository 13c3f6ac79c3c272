#!/bin/bash
# Posts one alarm of nodepassd as JSON, with curl. What it says comes from the environment (NODEPASSD_...), where it goes
# from the credential webhook-url, or from /etc/nodepassd/webhook-url: one line, https:// or http://.
set -euo pipefail
# Bytes, not characters: what is valid UTF-8 stays so.
export LC_ALL=C

fail() {
  echo "<3>Failed to post the alarm: $1" >&2
  exit 1
}

# The address never stands on a command line, where everybody could read it.
file=${CREDENTIALS_DIRECTORY:-/etc/nodepassd}/webhook-url
{ read -r url <"$file" || [ -n "${url:-}" ]; } 2>/dev/null || fail "$file cannot be read, or is empty"
pattern='^https?://[^[:space:][:cntrl:]"\]+$'
[[ $url =~ $pattern ]] || fail "$file holds no https:// or http:// address"

backslash='\'
quote='"'
# string TEXT: as a JSON string (RFC 8259, 7).
string() {
  local text=$1
  text=${text//"$backslash"/"$backslash$backslash"}
  text=${text//"$quote"/"$backslash$quote"}
  text=${text//$'\n'/"${backslash}n"}
  text=${text//$'\t'/"${backslash}t"}
  text=${text//[[:cntrl:]]/ }
  printf '%s' "$quote$text$quote"
}

# `text` is what chat services show; all of the record is beside it, in lower case.
text="$HOSTNAME: ${NODEPASSD_MESSAGE:-}"
[ -z "${NODEPASSD_DRIFT:-}" ] || text+=" ($NODEPASSD_DRIFT on ${NODEPASSD_NODE:-this node})"
[ -z "${NODEPASSD_REASON:-}" ] || text+=$'\n'"$NODEPASSD_REASON"
[ -z "${NODEPASSD_ADVICE:-}" ] || text+=$'\n'"What to do: $NODEPASSD_ADVICE"
body="{\"text\":$(string "$text"),\"host\":$(string "$HOSTNAME")"
for name in "${!NODEPASSD_@}"; do
  [ -z "${!name}" ] && continue
  key=${name#NODEPASSD_}
  body+=",$(string "${key,,}"):$(string "${!name}")"
done
body+='}'

# Three tries fit into the unit's TimeoutStartSec=.
printf '%s' "$body" | curl --silent --show-error --fail --output /dev/null --proto '=http,https' --globoff \
  --max-time 14 --retry 2 --retry-delay 1 --header 'Content-Type: application/json' --data-binary @- \
  --config /dev/fd/3 3<<<"url = \"$url\""
