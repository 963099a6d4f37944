import { type Command, commonOptions, type OptionSpec } from './command.ts'

// Scripts that complete commands, options and their values without starting keyturn; only for the names of keys is it
// asked, with whatever environment the line has so far. What goes wrong there goes unsaid: a shell must not be disturbed.

export function bashCompletion(commands: readonly Command[]): string {
  const { takesValue, files, folders, keys } = valueOptions(commands)
  return `# bash completion for keyturn
_keyturn_keys() {
  local i environment=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      -e | --environment) environment=(--environment "\${COMP_WORDS[i + 1]}") ;;
    esac
  done
  keyturn key list "\${environment[@]}" --timeout 5s </dev/null 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_keyturn() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local words=() i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${takesValue.join(' | ')}) ((i++)) ;;
      -*) ;;
      *) words+=("\${COMP_WORDS[i]}") ;;
    esac
  done
  case "$previous" in
    ${files.join(' | ')}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${folders.join(' | ')}) COMPREPLY=($(compgen -d -- "$current")); return ;;
    ${keys.join(' | ')}) COMPREPLY=($(compgen -W "$(_keyturn_keys)" -- "$current")); return ;;
  esac
  case "\${words[*]} $previous" in
${choiceCases(commands, '    ', (choices) => `COMPREPLY=($(compgen -W "${choices}" -- "$current")); return`)}
  esac
  case "$previous" in
    ${takesValue.join(' | ')}) return ;;
  esac
  case "\${words[*]}" in
${wordCases(commands, '    ', (words, options, wantsKey) => {
  const key = wantsKey ? ' $(_keyturn_keys)' : ''
  return [
    `if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "${options}" -- "$current"));`,
    `else COMPREPLY=($(compgen -W "${words}${key}" -- "$current")); fi`,
  ].join(' ')
})}
  esac
}

complete -F _keyturn keyturn
`
}

export function zshCompletion(commands: readonly Command[]): string {
  const { takesValue, files, folders, keys } = valueOptions(commands)
  return `#compdef keyturn
_keyturn_keys() {
  local i environment=()
  for ((i = 2; i < CURRENT; i++)); do
    case "\${words[i]}" in
      -e | --environment) environment=(--environment "\${words[i + 1]}") ;;
    esac
  done
  local names=(\${(f)"$(keyturn key list "\${environment[@]}" --timeout 5s </dev/null 2>/dev/null | awk 'NR > 1 { print $1 }')"})
  compadd -a names
}

_keyturn() {
  local previous="\${words[CURRENT - 1]}" current="\${words[CURRENT]}" given=() i
  for ((i = 2; i < CURRENT; i++)); do
    case "\${words[i]}" in
      ${takesValue.join(' | ')}) ((i++)) ;;
      -*) ;;
      *) given+=("\${words[i]}") ;;
    esac
  done
  case "$previous" in
    ${files.join(' | ')}) _files; return ;;
    ${folders.join(' | ')}) _files -/; return ;;
    ${keys.join(' | ')}) _keyturn_keys; return ;;
  esac
  case "\${given[*]} $previous" in
${choiceCases(commands, '    ', (choices) => `compadd -- ${choices}; return`)}
  esac
  case "$previous" in
    ${takesValue.join(' | ')}) return ;;
  esac
  case "\${given[*]}" in
${wordCases(commands, '    ', (words, options, wantsKey) => {
  const other = [words === '' ? [] : [`compadd -- ${words}`], wantsKey ? ['_keyturn_keys'] : []].flat()
  return `if [[ $current == -* ]]; then compadd -- ${options}; else ${other.join('; ') || ':'}; fi`
})}
  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _keyturn "$@"; else compdef _keyturn keyturn; fi
`
}

/** Options that take a value, and what the value is. */
function valueOptions(
  commands: readonly Command[],
): Readonly<Record<'takesValue' | 'files' | 'folders' | 'keys', string[]>> {
  const all = new Map<string, OptionSpec>()
  for (const { options } of commands) {
    for (const [name, spec] of Object.entries({ ...commonOptions, ...options })) all.set(name, spec)
  }
  const valued = [...all].filter(([, spec]) => spec.type !== 'flag')
  const namesOf = (entries: readonly (readonly [string, OptionSpec])[]): string[] =>
    entries.flatMap(([name, { alias }]) => [`--${name}`, ...(alias === undefined ? [] : [`-${alias}`])])
  const ofKind = (kind: OptionSpec['value']): string[] =>
    namesOf(valued.filter(([, spec]) => spec.value === kind))
  return {
    takesValue: namesOf(valued),
    files: ofKind('file'),
    folders: ofKind('folder'),
    keys: ofKind('key'),
  }
}

/** One case for each option of each command that takes one of a few values. */
function choiceCases(
  commands: readonly Command[],
  indent: string,
  reply: (choices: string) => string,
): string {
  const cases = commands.flatMap(({ path, options }) =>
    Object.entries({ ...commonOptions, ...options }).flatMap(([name, { choices }]) =>
      choices ? [`${indent}'${path.join(' ')}'*' --${name}') ${reply(choices.join(' '))} ;;`] : [],
    ),
  )
  return cases.join('\n')
}

/** One case for the start of the line, one for each noun, and one for each command. */
function wordCases(
  commands: readonly Command[],
  indent: string,
  reply: (words: string, options: string, wantsKey: boolean) => string,
): string {
  const firsts = [...new Set(commands.map(({ path }) => path[0]))]
  const seconds = new Map<string, string[]>()
  for (const { path } of commands) {
    const [noun, verb] = path
    if (verb !== undefined) seconds.set(noun, [...(seconds.get(noun) ?? []), verb])
  }
  const cases = [
    `'') ${reply(firsts.join(' '), '--help --version', false)} ;;`,
    ...[...seconds].map(([noun, verbs]) => `'${noun}') ${reply(verbs.join(' '), '--help', false)} ;;`),
    ...commands.map(({ path, options, positional }) => {
      const names = Object.keys({ ...options, ...commonOptions }).map((name) => `--${name}`)
      const words = positional?.choices?.join(' ') ?? ''
      return `'${path.join(' ')}') ${reply(words, [...names, '--help'].join(' '), positional?.value === 'key')} ;;`
    }),
    // Whatever follows the positional is an option.
    ...commands.map(({ path, options }) => {
      const names = Object.keys({ ...options, ...commonOptions }).map((name) => `--${name}`)
      return `'${path.join(' ')} '*) ${reply('', [...names, '--help'].join(' '), false)} ;;`
    }),
  ]
  return cases.map((line) => `${indent}${line}`).join('\n')
}
