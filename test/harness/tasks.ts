/**
 * The tasks of every project in tests: one whose argument says what it does, one that only says that it ran, one that
 * fails. Each run appends a line to ran.log: `<what> <pid> <epoch ms>`.
 */
export const TASKS = `
import { appendFileSync, existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { task } from 'ztask'

const say = (what: string) => appendFileSync('ran.log', what + ' ' + process.pid + ' ' + Date.now() + '\\n')

/** Appends its argument to ran.log. */
export const note = task((what: string) => say(what))

export type Deed = 'return' | 'throw' | 'reject' | 'spin' | 'exit' | 'kill' | 'wait' | 'throw-until'

/** Says that it began, then does what it is told. 'wait' lasts until the file named by \`detail\` is there. */
export const act = task({ retryCount: 2, retryAfter: 0.2 }, async (deed: Deed, detail = '') => {
  say(deed + ':' + detail)
  if (deed === 'throw') throw new TypeError('thrown on purpose ' + detail)
  if (deed === 'reject') await Promise.reject(new RangeError('rejected on purpose'))
  if (deed === 'spin') for (;;) {}
  if (deed === 'exit') process.exit(7)
  if (deed === 'kill') process.kill(process.pid, 'SIGKILL')
  if (deed === 'wait') while (!existsSync(detail)) await sleep(10)
  if (deed === 'throw-until' && !existsSync(detail)) throw new Error('not yet')
  say('done:' + detail)
})

/** Fails with no retry. */
export const failOnce = task({ retryCount: 0 }, (what: string) => { say(what); throw new Error('no retry') })
`
