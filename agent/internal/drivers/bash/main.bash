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

__k2_flags= __k2_status=0 __k2_watching=

# One event: its type, and the rest of its members.
__k2_say() { builtin printf '{"type":"%s","id":"%s"%s}\n' "$1" "$__k2_id" "${2-}" >&194; }

# id, hints, code, folder or nothing, then name=value of the run's own environment. Leaves in __k2_next what is to be evaluated,
# and in __k2_back what puts the environment back.
__k2_begin() {
  __k2_id=$1 __k2_next=$3 __k2_code= __k2_over= __k2_returned= __k2_exit= __k2_interrupt= __k2_back= __k2_invalid=
  local hints=$2$__k2_flags folder=$4 pair name first=
  builtin shift 4
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
  if [[ $hints == *e* ]]; then
    __k2_watch
  elif [[ $__k2_trace != *E* ]]; then
    set +E
  fi
  # Bash 5.2 dies of an unfinished $( there: it is looked for in a subshell, which reads the code and runs nothing of it.
  if [[ $hints == *s* && $hints != *l* ]] && ! (builtin eval "if false; then :; $__k2_next

fi") </dev/null >/dev/null 2>&192 192>&- 194>&-; then
    __k2_invalid=1 __k2_next=
  fi
  if [[ -n $__k2_flags ]]; then first="set -$__k2_flags"; fi
  if [[ $hints == *u* && $hints != *l* ]]; then
    # As one command: else the shell goes on with the next one after a variable that is not set.
    __k2_next="{ $first
$__k2_next

}"
  else
    __k2_next="$first
$__k2_next
"
  fi
  __k2_next="$__k2_next
{ __k2_after \$?; } 2>/dev/null"
  __k2_say started
}

# What runs the code: a prompt command, since in those the shell says nothing of jobs, and the line of syntax errors. The branches
# differ in the status that the code finds; the redirections, which come after all that sets it, make its first line number 1.
__k2_eval='builtin eval "$__k2_code" </dev/null"${__k2_nothing[(LINENO=0)*0]-}" 2>&192 192>&- 194>&-'
__k2_prompt="PROMPT_COMMAND=
if __k2_succeeded; then $__k2_eval; else $__k2_eval; fi
__k2_returned=1"
unset -v __k2_eval
__k2_succeeded() { builtin return "$__k2_status"; }

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
  if [[ -z $__k2_id ]]; then return; fi
  if [[ -z $__k2_over ]]; then __k2_calm; fi
  if [[ -n $__k2_watching ]]; then __k2_unwatch; fi
  if [[ -n $__k2_interrupt ]]; then builtin eval "$__k2_interrupt"; fi
  __k2_error= __k2_value=
  if [[ -n $__k2_exit ]]; then
    __k2_status=$__k2_exit
  elif [[ -n $__k2_over && -z $__k2_invalid ]]; then
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

# A request asks for the end twice, since an interrupt that comes late may break the first off.
__k2_tell() {
  if [[ -z $__k2_id ]]; then return; fi
  if [[ -n $__k2_error ]]; then
    __k2_say error ",\"name\":\"$__k2_error\",\"value\":\"$__k2_value\",\"traceback\":null"
    __k2_error=
  fi
  __k2_say end ",\"exit_code\":$__k2_status"
  __k2_id=
}

# An interrupt. As a trap, since without one the shell goes on when the program that it waits for takes the signal its own way. One
# that comes between two runs, or late, is for nobody.
__k2_interrupted() {
  if [[ -n ${__k2_code-} && -z $__k2_over ]] && ((BASH_SUBSHELL == 0)); then
    __k2_interrupt='builtin trap -- __k2_interrupted INT'
    builtin trap - INT
    builtin kill -INT "$$"
  fi
}
builtin trap -- __k2_interrupted INT

# Leaves the code as an interrupt does: nothing else leaves it from anywhere without ending the shell.
__k2_leave() {
  __k2_interrupt=$(builtin trap -p INT)
  if [[ -n $__k2_interrupt ]]; then builtin trap - INT; fi
  __k2_exit=$1
  if [[ $1 == 130 ]]; then __k2_exit=; fi # its program was interrupted
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

# `set -e` ends the shell: where it may be on, the last thing of the ERR trap leaves the code before that.
__k2_watch() {
  __k2_watching=1
  if [[ $__k2_trace != *E* ]]; then __k2_watching=2; fi
  __k2_add_watch
  trap() {
    local status
    builtin trap "$@"
    status=$?
    if ((BASH_SUBSHELL == 0)); then __k2_add_watch; fi
    builtin return "$status"
  }
}
__k2_add_watch() {
  local own
  __k2_own_trap
  builtin trap -- '__k2_note $? || {'$'\n'"${own:-:}"$'\n}\n__k2_failed' ERR
}
__k2_unwatch() {
  local own
  unset -f trap
  __k2_own_trap
  builtin trap -- "${own:--}" ERR
  if ((__k2_watching == 2)); then set +E; fi # last: without it functions don't see the trap
  __k2_watching=
}
# The user's own ERR trap.
__k2_own_trap() {
  own=$(builtin trap -p ERR)
  builtin eval "set -- $own"
  own=${3-}
  if [[ $own == __k2_note* ]]; then
    own=${own#*$'\n'}
    own=${own%$'\n}\n__k2_failed'}
    if [[ $own == : ]]; then own=; fi
  fi
}
__k2_note() {
  __k2_failure=$1
  builtin return "$1"
}
__k2_failed() {
  if [[ $- == *e* ]] && ((BASH_SUBSHELL == 0)); then
    __k2_leave "$__k2_failure"
  fi
  builtin return 0
}

__k2_id=
builtin printf '{"type":"ready","version":"%s"}\n' "$BASH_VERSION" >&194
