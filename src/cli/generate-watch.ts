/** `ztask generate --watch`: one process that keeps what it has parsed. */
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Scanner } from '../../codegen/scanner.ts'
import { CONFIG_FILES, generatedFiles, type Project } from '../config.ts'
import { readAnew } from '../config-anew.ts'
import { configModules } from '../config-module.ts'
import { watchProject } from '../daemon/reload.ts'
import { changedAt, TICK } from '../file-time.ts'
import { ConfigError, ZtaskError } from '../model/errors.ts'

/** What a save's own events lie apart, ms: generating twice costs less than waiting longer. */
const SETTLE = 20

/**
 * How often the few files that were read elsewhere are looked at, ms: they are known only when they have been read, and a
 * watch that begins then would miss what was saved meanwhile.
 */
const LOOK = 150

/** What a configuration gets that awaits something, ms. */
const READ_TIMEOUT = 30_000

/** They hold what is in the generated files, or decide where imports lead. */
const SETTINGS_FILES = ['tsconfig.json', 'package.json', ...CONFIG_FILES]

/**
 * Generates now and after each change; ends only by a signal. Errors are printed, as the next save may mend them.
 *
 * @param first the project by its file alone, as what is written is committed; read again where that has changed
 */
export const watchAndGenerate = async (
  first: Project,
  generate: (project: Project, scanner: Scanner) => Promise<void>,
): Promise<void> => {
  for (let project = first, files: readonly string[] = configModules(); ; )
    ({ project, files } = await watchOne(project, files, generate))
}

/** A project, and the files that its configuration came from. */
interface Configured {
  readonly project: Project
  readonly files: readonly string[]
}

/** @returns the project as it is when its settings have changed */
const watchOne = async (
  project: Project,
  configFiles: readonly string[],
  generate: (project: Project, scanner: Scanner) => Promise<void>,
): Promise<Configured> => {
  const { root, settings } = project
  const scanner = new Scanner(project)
  const next = Promise.withResolvers<Configured>()
  const settingsFiles = new Set([...SETTINGS_FILES.map((name) => join(root, name)), ...configFiles])
  /** They have changed, and could not be read. */
  let isUnread = false
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
    also: [...settingsFiles],
    settle: SETTLE,
    renew: async (changed) => {
      if (changed.some((file) => settingsFiles.has(file))) isUnread = true
      if (!isUnread) return run()
      const began = Date.now()
      const { files, result } = await readAnew(process.cwd(), { flags: {} }, READ_TIMEOUT)
      for (const file of files) settingsFiles.add(file)
      watch.follow(files, began)
      if ('error' in result) throw new ConfigError(result.error.message, result.error.data)
      isUnread = false
      if (isDeepStrictEqual(result.committed, project)) await run()
      else next.resolve({ project: result.committed, files })
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

const print = (error: Error): void => {
  process.stderr.write(`${error instanceof ZtaskError ? error.message : (error.stack ?? error.message)}\n`)
}
