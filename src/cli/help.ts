import type { Command } from 'commander'
import { nearest } from '../model/nearest.ts'

/** `ztask help [COMMAND]`. Commander's own answers a misspelt command with all of the help, and no word on what is wrong. */
export const addHelp = (program: Command): void => {
  program
    .command('help')
    .description('what there is, or what a command takes')
    .argument('[command]')
    .action((name?: string) => {
      const { commands } = program
      const found = name === undefined ? program : commands.find((command) => command.name() === name)
      if (found !== undefined) return found.help()
      const similar = nearest(
        name ?? '',
        commands.map((command) => command.name()),
      )
      const suggestion = similar === undefined ? '' : `\n(Did you mean ${similar}?)`
      program.error(`error: unknown command '${name}'${suggestion}`, { exitCode: 2 })
    })
}
