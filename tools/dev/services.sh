# shellcheck shell=bash
help() {
  cat <<'TEXT'
usage: ./dev services [start|stop|restart|status] [name]...

The servers that some tests and examples use, all of them or those named; status when nothing is said. They listen on
loopback only, keep their data in build/services/<name> (WEFT_SERVICES sets another folder than build/services), and
start in the background: start returns when the server answers. tools/services/<name>.sh says what each one offers.
TEXT
}

# A service is tools/services/<name>.sh, sourced with `folder` set to its data folder. It defines
#   service_packages   prints the groups of tools/packages.txt it needs
#   service_command    sets the array `command` to the server in the foreground, after preparing `folder`
#   service_answers    succeeds when the server does its work
#   service_about      prints one line: the address, and what is there
# and may set start_deadline and stop_deadline, in seconds.

main() {
  local action=status
  case ${1:-} in
    start | stop | restart | status)
      action=$1
      shift
      ;;
  esac
  local -a names=("$@") known
  mapfile -t known < <(find tools/services -maxdepth 1 -name '*.sh' -printf '%f\n' | sed 's/\.sh$//' | sort)
  ((${#names[@]})) || names=("${known[@]}")
  local name
  for name in "${names[@]}"; do
    [[ " ${known[*]} " == *" $name "* ]] || fail "no service '$name'" "one of: ${known[*]}"
  done
  for name in "${names[@]}"; do (with_service "$name" "$action"); done
}

with_service() {
  local name=$1 action=$2 start_deadline=20 stop_deadline=10
  local folder=${WEFT_SERVICES:-$PWD/build/services}/$name
  local pid_file=$folder/pid
  # shellcheck source=/dev/null
  source "tools/services/$name.sh"
  case $action in
    start) start_service ;;
    stop) stop_service ;;
    restart) stop_service && start_service ;;
    status) service_status ;;
  esac
}

# The process that start_service began, if it is still that one: its number and start time are both in the pid file.
running_pid() {
  local pid started
  [[ -f $pid_file ]] || return 1
  read -r pid started <"$pid_file" || return 1
  [[ -n $started && $(start_time "$pid") == "$started" ]] || return 1
  echo "$pid"
}

start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '{ print $20 }'; }

start_service() {
  local pid deadline
  if pid=$(running_pid) && service_answers; then
    echo "$name: running ($(service_about))"
    return
  fi
  if service_answers; then
    fail "$name: something else already answers at its address ($(service_about))" "stop that, or choose another port"
  fi
  stop_service >/dev/null
  local -a groups command=()
  mapfile -t groups < <(service_packages)
  need "${groups[@]}"
  mkdir -p "$folder"
  service_command
  setsid "${command[@]}" </dev/null >"$folder/log" 2>&1 &
  pid=$!
  disown
  echo "$pid $(start_time "$pid")" >"$pid_file"
  deadline=$((SECONDS + start_deadline))
  until service_answers; do
    if ! running_pid >/dev/null; then
      tail -n 15 "$folder/log" >&2
      fail "$name: ended while starting" "see above and $folder/log"
    fi
    if ((SECONDS >= deadline)); then
      stop_service >/dev/null
      tail -n 15 "$folder/log" >&2
      fail "$name: did not answer within $start_deadline s" "see above and $folder/log"
    fi
    sleep 0.05
  done
  echo "$name: started ($(service_about))"
}

stop_service() {
  local pid deadline=$((SECONDS + stop_deadline))
  if ! pid=$(running_pid); then
    rm -f "$pid_file"
    echo "$name: not running"
    return
  fi
  kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || true
  while running_pid >/dev/null; do
    ((SECONDS >= deadline)) && { kill -KILL -- "-$pid" 2>/dev/null || true; }
    sleep 0.05
  done
  rm -f "$pid_file"
  echo "$name: stopped"
}

service_status() {
  if ! running_pid >/dev/null; then
    echo "$name: not running"
  elif service_answers; then
    echo "$name: running ($(service_about))"
  else
    echo "$name: running, but does not answer; see $folder/log"
  fi
}
