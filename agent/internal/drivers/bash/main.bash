# The Bash driver (README.md, "Bash"): an interactive shell without a terminal, since only such a one comes back for the next
# command when it is interrupted. Its requests are its commands: lines that drivers/bash.go writes. The code itself runs in an
# `eval` at top level, where declarations, traps and options are the user's own, with the two channels closed.
#
# Descriptor 0 is the requests, 194 the events, 192 the standard error: what the shell says of its own goes nowhere.

exec 5<&-
PS1= PS2= PS4='+ '
unset -v PS0 PROMPT_COMMAND HISTFILE MAILCHECK TMOUT
set +o history +o histexpand
shopt -u checkwinsize

__k2_flags= __k2_status=0

# One event: its type, and the rest of its members.
__k2_say() { builtin printf '{"type":"%s","id":"%s"%s}\n' "$1" "$__k2_id" "${2-}" >&194; }

# id, code, folder or nothing, then name=value of the run's own environment. Leaves in __k2_next what is to be evaluated, and in
# __k2_back what puts the environment back.
__k2_begin() {
  __k2_id=$1 __k2_next=$2 __k2_code= __k2_over= __k2_returned= __k2_exit= __k2_traps= __k2_back=
  local folder=$3 pair name first=
  builtin shift 3
  for pair; do
    name=${pair%%=*}
    __k2_back+="builtin unset -v $name"$'\n'
    if [[ -n ${!name+set} ]]; then __k2_back+="$(builtin declare -p "$name")"$'\n'; fi
    builtin export "$pair"
  done
  if [[ -n $folder ]]; then
    builtin printf -v pair 'builtin cd -- %q\nOLDPWD=%q\n' "$PWD" "${OLDPWD-}"
    __k2_back+=$pair
    if ! builtin cd -- "$folder"; then
      builtin printf 'bash: cd: %s\n' "$folder" >&192
      __k2_next=false
    fi
  fi
  if [[ $__k2_flags == *e* || $__k2_next == *'set '*-*e* || $__k2_next == *errexit* ]]; then __k2_watch_errors; fi
  if [[ -n $__k2_flags ]]; then
    first="set -$__k2_flags"
  elif ((__k2_status != 0)); then
    first="__k2_return $__k2_status"
  fi
  if [[ $__k2_flags == *u* || $__k2_next == *'set '*-*u* || $__k2_next == *nounset* || $__k2_next == *'?'*'}'* ]] &&
    [[ $__k2_next != *alias* && $__k2_next != *shopt* ]]; then
    # As one command: else the shell goes on with the next one after a variable that is not set.
    __k2_next="{ $first
$__k2_next

}"
  else
    __k2_next="$first
$__k2_next
"
  fi
  __k2_next+='
{ __k2_after $?; } 2>/dev/null'
  __k2_say started
}

__k2_return() { builtin return "$1"; }

# After the code, and never reached when it was left otherwise. Our own commands need none of its options.
__k2_after() {
  __k2_status=$1 __k2_over=1
  __k2_calm
}

# Notes and ends the options that are in the way of our own commands; __k2_begin's `first` brings them back.
__k2_calm() {
  local flags=$- flag
  set +euxv
  __k2_flags=
  for flag in e u x v; do
    if [[ $flags == *$flag* ]]; then __k2_flags+=$flag; fi
  done
  PS1= PS2=
  unset -v PS0 PROMPT_COMMAND TMOUT
}

# What the code ended with.
__k2_end() {
  if [[ -z $__k2_over ]]; then __k2_calm; fi
  if [[ -n $__k2_traps ]]; then builtin eval "$__k2_traps"; fi
  __k2_error= __k2_value=
  if [[ -n $__k2_exit ]]; then
    __k2_status=$__k2_exit
  elif [[ -n $__k2_over ]]; then
    :
  elif [[ -n $__k2_returned && -n $__k2_code ]]; then
    __k2_status=2 __k2_error=SyntaxError __k2_value='the code is not valid Bash'
  else
    __k2_status=130 __k2_error=KeyboardInterrupt
  fi
  if [[ -z $__k2_error && $__k2_status != 0 ]]; then
    __k2_error=ExitError __k2_value="exit status $__k2_status"
  fi
  unset -v __k2_next __k2_code
}

# Once: a request asks for it twice, since an interrupt that comes late may break the first off.
__k2_tell() {
  if [[ -z ${__k2_id-} ]]; then return; fi
  if [[ -n $__k2_error ]]; then
    __k2_say error ",\"name\":\"$__k2_error\",\"value\":\"$__k2_value\",\"traceback\":null"
    __k2_error=
  fi
  __k2_say end ",\"exit_code\":$__k2_status"
  __k2_id=
}

# Leaves the code as an interrupt does: nothing else leaves it from anywhere without ending the shell.
__k2_leave() {
  local interrupt
  interrupt=$(builtin trap -p INT)
  if [[ -n $interrupt ]]; then
    __k2_traps+=$interrupt$'\n'
    builtin trap - INT
  fi
  __k2_exit=$1
  builtin kill -INT "$$"
}

# Ends the run, not the shell. In a subshell it is what it always is.
exit() {
  local status=${1-$?}
  if ((BASH_SUBSHELL > 0)); then builtin exit "$status"; fi
  case ${status#-} in
    '' | *[!0-9]*)
      builtin printf 'bash: exit: %s: numeric argument required\n' "$status" >&2
      status=2
      ;;
  esac
  __k2_leave $((status & 255))
}

# `set -e` ends the shell: where it may be on, a failing command leaves the code before that.
__k2_watch_errors() {
  local before
  before=$(builtin trap -p ERR)
  if [[ $- != *E* ]]; then __k2_traps+=$'set +E\n'; fi
  __k2_traps+=${before:-builtin trap - ERR}$'\n'
  if [[ -n $before ]]; then
    builtin eval "set -- $before"
    before=$3$'\n'
  fi
  set -E
  builtin trap -- "${before}__k2_failed \$?" ERR
}
__k2_failed() {
  if [[ $- == *e* ]] && ((BASH_SUBSHELL == 0)); then __k2_leave "$1"; fi
  builtin return "$1"
}

__k2_id=
builtin printf '{"type":"ready","version":"%s"}\n' "$BASH_VERSION" >&194
