/**
 * Completion scripts, pure text. They hold all there is to complete, so that no Node starts at a TAB, and need nothing
 * but the shell: not the package bash-completion, for one.
 */

export interface Flag {
  readonly names: readonly string[]
  readonly description: string
  readonly takesValue: boolean
  readonly choices: readonly string[]
}

/** A command, its flags, and what its arguments can be where that is known. */
export interface Completed {
  readonly name: string
  readonly description: string
  readonly flags: readonly Flag[]
  readonly choices: readonly string[]
}

const bash = (commands: readonly Completed[]): string => `_ztask() {
  local cur=\${COMP_WORDS[COMP_CWORD]} words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    words=${quote(commands.map(({ name }) => name).join(' '))}
  else
    case "\${COMP_WORDS[1]} \${COMP_WORDS[COMP_CWORD-1]}" in
${commands.flatMap(bashCommand).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _ztask ztask
`

const bashCommand = ({ name, flags, choices }: Completed): string[] => {
  const valued = flags.filter(({ takesValue }) => takesValue)
  const line = (patterns: readonly string[], words: readonly string[]): string =>
    `      ${patterns.map((pattern) => `'${name} '${pattern}`).join('|')}) words=${quote(words.join(' '))} ;;`
  return [
    ...valued.map((flag) => line(flag.names, flag.choices)),
    line(['*'], [...choices, ...flags.flatMap(({ names }) => names)]),
  ]
}

const zsh = (commands: readonly Completed[]): string => `#compdef ztask
_ztask() {
  local -a items
  if (( CURRENT == 2 )); then
    items=(${commands.map(({ name, description }) => described(name, description)).join(' ')})
    _describe command items
    return
  fi
  case "$words[2] $words[CURRENT-1]" in
${commands.flatMap(zshCommand).join('\n')}
  esac
}
compdef _ztask ztask
`

const zshCommand = ({ name, flags, choices }: Completed): string[] => {
  const values = (flag: Flag): string =>
    flag.choices.length === 0 ? '_files' : `compadd -- ${flag.choices.join(' ')}`
  const all = flags.flatMap(({ names, description }) => names.map((one) => described(one, description)))
  const others = choices.length === 0 ? '' : `compadd -- ${choices.join(' ')}; `
  return [
    ...flags
      .filter(({ takesValue }) => takesValue)
      .map((flag) => `    ${flag.names.map((one) => `'${name} ${one}'`).join('|')}) ${values(flag)} ;;`),
    `    '${name} '*) ${others}items=(${all.join(' ')}); _describe -o option items ;;`,
  ]
}

const described = (name: string, description: string): string =>
  quote(`${name}:${description.replaceAll(':', '\\:')}`)

const fish = (commands: readonly Completed[]): string =>
  `${[
    'complete -c ztask -f',
    ...commands.flatMap(({ name, description, flags, choices }) => [
      `complete -c ztask -n __fish_use_subcommand -a ${name} -d ${quoteFish(description)}`,
      ...(choices.length === 0 ? [] : [`${seen(name)} -a ${quoteFish(choices.join(' '))}`]),
      ...flags.map((flag) => `${seen(name)} ${fishFlag(flag)}`),
    ]),
  ].join('\n')}\n`

const seen = (name: string): string => `complete -c ztask -n '__fish_seen_subcommand_from ${name}'`

const fishFlag = ({ names, description, takesValue, choices }: Flag): string => {
  const spelled = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const value = choices.length > 0 ? [`-x -a ${quoteFish(choices.join(' '))}`] : takesValue ? ['-r -F'] : []
  return [...spelled, ...value, `-d ${quoteFish(description)}`].join(' ')
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const quoteFish = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

/** The scripts, by shell. */
export const SCRIPTS: Readonly<Record<'bash' | 'zsh' | 'fish', (commands: readonly Completed[]) => string>> =
  { bash, zsh, fish }
