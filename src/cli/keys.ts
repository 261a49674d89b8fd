import { relative, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { FIRST_CLIENT, makeKeys } from '../wire/keys.ts'
import { projectOf } from './flags.ts'

/** Where keys are made while no setting says. */
const FOLDER = '.ztask/keys'

/** `ztask keys [NAME]` */
export const addKeys = (program: Command): void => {
  program
    .command('keys')
    .description('make the keys of a client, and of the daemon where it has none: only listed clients get in')
    .argument('[name]', 'of the client', clientName, FIRST_CLIENT)
    .action(async (name: string) => {
      const { root, settings } = await projectOf({})
      const { curveKeyPair } = await import('zeromq')
      const folder = settings.keys ?? FOLDER
      for (const file of makeKeys(resolve(root, folder), name, curveKeyPair))
        process.stdout.write(`wrote  ${relative(root, file)}\n`)
      process.stdout.write(`\nNext:\n${next(name, folder, settings.keys !== undefined)}\n`)
    })
}

const next = (name: string, folder: string, configured: boolean): string => {
  const here = configured
    ? '  kill -HUP the daemon, which reads the list of clients again'
    : `  keys: '${folder}' in ztask.config.ts, or ZTASKD_KEYS; then npx ztask generate, and start the daemon anew`
  const there = `  a client elsewhere gets ${name}.key alone: copy it there, and set ZTASKD_KEYS to its path`
  return `${here}\n${there}`
}

/** It becomes the name of a file. */
const clientName = (text: string): string => {
  if (!/^[\w-]{1,100}$/.test(text) || text === 'server')
    throw new InvalidArgumentError("It must be letters, digits, - and _, and not 'server'.")
  return text
}
