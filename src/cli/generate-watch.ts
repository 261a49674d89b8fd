/** `ztask generate --watch`: one process that keeps what it has parsed. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Scanner } from '../../codegen/scanner.ts'
import { CONFIG_FILES, generatedFiles, type Project } from '../config.ts'
import { configModules } from '../config-module.ts'
import { watchProject } from '../daemon/reload.ts'
import { ZtaskError } from '../model/errors.ts'

/** What a save's own events lie apart, ms: generating twice costs less than waiting longer. */
const SETTLE = 20

/**
 * How often the few files that were read elsewhere are looked at, ms: they are known only when they have been read, and a
 * watch that begins then would miss what was saved meanwhile.
 */
const LOOK = 150

/** The clock of a file system may be so much behind, ms. */
const TICK = 20

/** They hold what is in the generated files, or decide where imports lead. */
const SETTINGS_FILES = ['tsconfig.json', 'package.json', ...CONFIG_FILES]

/**
 * Generates now and after each change; ends only by a signal. Errors are printed, as the next save may mend them.
 *
 * @param open loads the project, again after each change, as its settings may be what changed
 * @throws ConfigError where the first project cannot be loaded
 */
export const watchAndGenerate = async (
  open: () => Promise<Project>,
  generate: (project: Project, scanner: Scanner) => Promise<void>,
): Promise<void> => {
  for (let project = await open(); ; ) project = await watchOne(project, open, generate)
}

/** @returns the project as it is when its settings have changed */
const watchOne = async (
  project: Project,
  open: () => Promise<Project>,
  generate: (project: Project, scanner: Scanner) => Promise<void>,
): Promise<Project> => {
  const { root, settings } = project
  const scanner = new Scanner(project)
  const next = Promise.withResolvers<Project>()
  let last = Promise.resolve()
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    last = last.then(() => work().catch(print))
    return last
  }
  let since = 0
  const run = (): Promise<void> =>
    inTurn(() => {
      since = Date.now() - TICK
      return generate(project, scanner)
    })
  const watch = await watchProject({
    root,
    include: settings.include,
    generated: generatedFiles(project),
    also: [...SETTINGS_FILES.map((name) => join(root, name)), ...configModules(root)],
    settle: SETTLE,
    renew: async () => {
      const began = Date.now()
      const now = await open().finally(() => watch.follow(configModules(root), began))
      if (isDeepStrictEqual(now, project)) await run()
      else next.resolve(now)
    },
    failed: print,
    blind: print,
  })
  const looking = setInterval(() => {
    const file = scanner.outside.find((path) => changedAt(path) > since)
    if (file !== undefined) watch.notice(file)
  }, LOOK)
  // Only now, as a save during the first run would otherwise go unseen.
  await run()
  void inTurn(() => scanner.warm())
  const changed = await next.promise
  clearInterval(looking)
  await watch.stop()
  await last
  return changed
}

const changedAt = (path: string): number => statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? 0

const print = (error: Error): void => {
  process.stderr.write(`${error instanceof ZtaskError ? error.message : (error.stack ?? error.message)}\n`)
}
