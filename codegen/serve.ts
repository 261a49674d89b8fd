/**
 * `ztask generate` as a process that stays: a daemon in development sends it the project after each save, and what has not changed is
 * not parsed again. It ends with its parent.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Project } from '../src/config.ts'
import { ZtaskError } from '../src/model/errors.ts'
import { generate } from './generate.ts'
import { render } from './problem.ts'
import { Scanner } from './scanner.ts'

/** What it answers to each message. */
export type Reply =
  | {
      /** As `ztask generate` prints them; nothing where there are none. */
      readonly warnings: string
      /** What was read outside of `include`, absolute. */
      readonly outside: readonly string[]
    }
  | { readonly error: string }

let project: Project | undefined
let scanner: Scanner | undefined

const answer = async (now: Project): Promise<Reply> => {
  try {
    if (scanner === undefined || !isDeepStrictEqual(now, project)) scanner = new Scanner(now)
    project = now
    const { warnings } = await generate(now, 'write', scanner)
    return { warnings: warnings.map(render).join('\n\n'), outside: scanner.outside }
  } catch (error) {
    const { message, stack } = error as Error
    return { error: error instanceof ZtaskError ? message : (stack ?? message) }
  }
}

let last = Promise.resolve()
process.on('message', (now: Project) => {
  last = last.then(async () => {
    process.send?.(await answer(now))
    // The parser takes half a second to begin with: before the next save, and not after it.
    await scanner?.warm().catch(() => {})
  })
})
process.on('disconnect', () => process.exit())
// When it is to end is its parent's to say.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
