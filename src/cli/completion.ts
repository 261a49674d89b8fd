import { Argument, type Command } from 'commander'
import { type Completed, SCRIPTS } from './shells.ts'

/** `ztask completion bash|zsh|fish`: a script made from the definitions of all commands. */
export const addCompletion = (program: Command): void => {
  const shells = Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[]
  program
    .command('completion')
    .description(`print what completes commands and flags in a shell: eval "$(ztask completion bash)"`)
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: keyof typeof SCRIPTS) => {
      process.stdout.write(SCRIPTS[shell](program.commands.map(completed)))
    })
}

const completed = (command: Command): Completed => {
  const help = command.createHelp()
  return {
    name: command.name(),
    description: command.description(),
    choices: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    flags: help.visibleOptions(command).map(({ long, short, description, required, argChoices = [] }) => ({
      names: [long, short].filter((name) => name !== undefined && name !== null),
      description,
      takesValue: required,
      choices: argChoices,
    })),
  }
}
