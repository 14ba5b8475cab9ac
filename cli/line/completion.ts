import type { Command } from '../command.ts'
import { commonOptions, type Option } from './arguments.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** Names by which the command is called; a group in the name stands for the first word. */
const groupNames = ['if-witness', 'if-optimise', 'if-coordinator', 'if-governor', 'if-chassis']
const names = ['ifctl', ...groupNames]

/** What may follow some words: other words, options, and operands where the words are a command. */
interface Place {
  /** Joined by blanks; empty: nothing was typed yet. */
  readonly path: string
  readonly children: readonly { readonly word: string; readonly summary: string }[]
  readonly options: readonly Option[]
  /** As `takes` of an option: what the operands are. */
  readonly operands: string
}

/** What an option takes: nothing `-`, anything `+`, a path `@`, or one of `a,b,c`. */
function takes({ value, values, path, place }: Option): string {
  if (value === undefined) return '-'
  if (values !== undefined) return values.join(',')
  return path === true || (place === true && value !== 'PLACE') ? '@' : '+'
}

function places(commands: readonly Command[]): Place[] {
  const below = new Map<string, Map<string, Command[]>>()
  for (const command of commands)
    for (const [depth, word] of command.words.entries()) {
      const path = command.words.slice(0, depth).join(' ')
      const children = below.get(path) ?? new Map<string, Command[]>()
      const inside = children.get(word) ?? []
      inside.push(command)
      below.set(path, children.set(word, inside))
    }
  const own = new Map(commands.map((command) => [command.words.join(' '), command]))
  return [...new Set([...below.keys(), ...own.keys()])].map((path) => {
    const command = own.get(path)
    const children = [...(below.get(path) ?? [])].map(([word, inside]) => {
      const depth = path === '' ? 0 : path.split(' ').length
      const leaf = inside.find(({ words }) => words.length === depth + 1)
      return { word, summary: leaf?.summary ?? inside.map(({ words }) => words.slice(depth + 1).join(' ')).join(', ') }
    })
    return {
      path,
      children: path === '' ? [...children, { word: 'help', summary: 'what a command does' }] : children,
      options: [...(command?.options ?? []), ...commonOptions],
      operands: command?.operandValues?.join(',') ?? (command?.paths === undefined ? '-' : '@')
    }
  })
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** A line that fits beside a name in a list. */
const brief = (text: string): string => (text.length <= 60 ? text : `${text.slice(0, 59)}…`)

/** Options are shared by many commands: each is put into words once. */
function once(text: (option: Option) => string): (option: Option) => string {
  const known = new Map<Option, string>()
  return (option) => {
    const found = known.get(option) ?? text(option)
    known.set(option, found)
    return found
  }
}

/** The table of all places in the syntax that bash and zsh share; `describe` adds what zsh shows beside a name. */
function shellTable(all: readonly Place[], describe: boolean): string {
  const item = (word: string, summary: string): string => (describe ? quoted(`${word}\t${brief(summary)}`) : word)
  const optionItem = once((option) => item(`--${option.name}:${takes(option)}`, option.summary))
  let text = ''
  for (const { path, children, options, operands } of all)
    text += `    ${quoted(path)})
      children=(${children.map(({ word, summary }) => item(word, summary)).join(' ')})
      options=(${options.map(optionItem).join(' ')})
      operands=${quoted(operands)} ;;
`
  return text.trimEnd()
}

const bash = (all: readonly Place[]): string => `# bash completion of ifctl, made by: ifctl completion bash

_ifctl_place() {
  case $1 in
${shellTable(all, false)}
    *) return 1 ;;
  esac
}

_ifctl_values() {
  case $1 in
    -|+) ;;
    @) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "\${1//,/ }" -- "$cur") ;;
  esac
}

_ifctl() {
  local -a children options
  local operands cur=\${COMP_WORDS[COMP_CWORD]} path='' option='' word at entry
  local called=\${COMP_WORDS[0]##*/}
  COMPREPLY=()
  case $called in if-*) path=\${called#if-} ;; esac
  _ifctl_place "$path" || return
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    if [[ $word == '=' ]]; then continue; fi
    if [[ -n $option ]]; then option=''; continue; fi
    if [[ $word == -- ]]; then return; fi
    if [[ $word == --* ]]; then
      for entry in "\${options[@]}"; do
        if [[ $entry == "$word":* && $entry != *:- ]]; then option=$entry; fi
      done
    elif _ifctl_place "\${path:+$path }$word"; then path="\${path:+$path }$word"
    else _ifctl_place "$path"
    fi
  done
  if [[ $cur == '=' ]]; then cur=''; fi
  if [[ -n $option ]]; then _ifctl_values "\${option#*:}"
  elif [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W "\${options[*]%%:*}" -- "$cur")
  else
    _ifctl_values "$operands"
    mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -W "\${children[*]}" -- "$cur")
  fi
}

complete -F _ifctl ${names.join(' ')}
`

const zsh = (all: readonly Place[]): string => `#compdef ${names.join(' ')}
# zsh completion of ifctl, made by: ifctl completion zsh

_ifctl_place() {
  case $1 in
${shellTable(all, true)}
    *) return 1 ;;
  esac
}

# words with what they mean: word<TAB>meaning
_ifctl_offer() {
  local -a shown offered
  local item
  for item in "$@"; do
    offered+=("\${item%%$'\\t'*}")
    shown+=("\${item%%$'\\t'*} -- \${item#*$'\\t'}")
  done
  (( $#offered )) && compadd -l -d shown -a offered
}

_ifctl_values() {
  case $1 in
    -|+) ;;
    @) _files ;;
    *) compadd -- \${(s:,:)1} ;;
  esac
}

_ifctl() {
  local -a children options
  local operands option= entry word at
  local called=\${words[1]:t} current=\${PREFIX}
  local where=
  [[ $called == if-* ]] && where=\${called#if-}
  _ifctl_place "$where" || return 1
  for (( at = 2; at < CURRENT; at++ )); do
    word=\${(Q)words[at]}
    if [[ -n $option ]]; then option=; continue; fi
    [[ $word == -- ]] && return 1
    if [[ $word == --* ]]; then
      for entry in $options; do
        entry=\${entry%%$'\\t'*}
        [[ $entry == $word:* && $entry != *:- ]] && option=$entry
      done
    elif _ifctl_place "\${where:+$where }$word"; then where="\${where:+$where }$word"
    else _ifctl_place "$where"
    fi
  done
  if [[ -z $option && $current == --*=* ]]; then
    for entry in $options; do
      entry=\${entry%%$'\\t'*}
      [[ $entry == \${current%%=*}:* && $entry != *:- ]] && option=$entry
    done
    compset -P '--*='
  fi
  if [[ -n $option ]]; then _ifctl_values \${option#*:}
  elif [[ $current == -* ]]; then
    local -a named
    for entry in $options; do named+=("\${\${entry%%$'\\t'*}%%:*}"$'\\t'"\${entry#*$'\\t'}"); done
    _ifctl_offer $named
  else
    _ifctl_offer $children
    _ifctl_values $operands
  fi
}

if [[ $funcstack[1] == _ifctl ]]; then _ifctl "$@"; else compdef _ifctl ${names.join(' ')}; fi
`

const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

function fishTable(all: readonly Place[]): string {
  const item = (word: string, summary: string): string => fishQuoted(`${word}\t${brief(summary)}`)
  const optionItem = once((option) => item(`--${option.name}:${takes(option)}`, option.summary))
  return all
    .map(
      ({ path, children, options, operands }) => `    case ${fishQuoted(path)}
      set -g __ifctl_children ${children.map(({ word, summary }) => item(word, summary)).join(' ')}
      set -g __ifctl_options ${options.map(optionItem).join(' ')}
      set -g __ifctl_operands ${fishQuoted(operands)}`
    )
    .join('\n')
}

const fish = (all: readonly Place[]): string => `# fish completion of ifctl, made by: ifctl completion fish

function __ifctl_place
  switch "$argv[1]"
${fishTable(all)}
    case '*'
      return 1
  end
  # set leaves the status of whatever ran before
  return 0
end

function __ifctl_taken -a word
  for entry in $__ifctl_options
    set -l found (string match -r -- '^(--[a-z0-9-]+):([^\\t]*)\\t' $entry)
    if test "$found[2]" = "$word"; and test "$found[3]" != -
      echo -- $found[3]
    end
  end
end

function __ifctl_values -a takes prefix
  switch "$takes"
    case - + ''
    case '@'
      __fish_complete_path (string replace -- "$prefix" '' (commandline -ct)) | string replace -r '^' -- "$prefix"
    case '*'
      for value in (string split , -- $takes)
        echo -- $prefix$value
      end
  end
end

function __ifctl_complete
  set -l tokens (commandline -opc)
  set -l called (string replace -r '.*/' '' -- $tokens[1])
  set -l path (string replace -rf '^if-' '' -- $called)
  set -l takes
  __ifctl_place "$path"; or return
  for word in $tokens[2..-1]
    if test -n "$takes"
      set takes
      continue
    end
    if test "$word" = --
      return
    end
    if string match -q -- '--*' $word
      set takes (__ifctl_taken $word)
    else if __ifctl_place (string trim -- "$path $word")
      set path (string trim -- "$path $word")
    else
      __ifctl_place "$path"
    end
  end
  set -l current (commandline -ct)
  if test -n "$takes"
    __ifctl_values $takes ''
  else if string match -q -- '--*=*' $current
    set -l name (string replace -r '=.*' '' -- $current)
    __ifctl_values (__ifctl_taken $name) $name=
  else if string match -q -- '-*' $current
    for entry in $__ifctl_options
      string replace -r '^(--[a-z0-9-]+):[^\\t]*\\t' '$1\\t' -- $entry
    end
  else
    printf '%s\\n' $__ifctl_children
    __ifctl_values $__ifctl_operands ''
  end
end

${names.map((name) => `complete -c ${name} -f -a '(__ifctl_complete)'`).join('\n')}
`

/** The script by which a shell completes `ifctl` and its other names. It is whole: completing starts no process of ours. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  const all = places(commands)
  return { bash, zsh, fish }[shell](all)
}
