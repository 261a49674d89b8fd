/** What a call returns: the handle of its job. */
import type { Cancelled, Job } from '../model/task.ts'
import type { Verb } from '../wire/protocol.ts'

/** Plain data to whoever logs it, sends it or returns it from a task: the method is not enumerable. */
const handle = (id: string, disabled: boolean, cancel: Job['cancel']): Job =>
  Object.defineProperty({ id, disabled }, 'cancel', { value: cancel }) as Job

/** The handle of a job that a daemon has stored. */
export const storedJob = (id: string, ask: (verb: Verb, params: unknown) => Promise<unknown>): Job =>
  handle(id, false, async () => {
    const [verdict] = (await ask('cancel', { ids: [id] })) as { result: Cancelled | 'unknown' }[]
    // It was stored: where it is unknown now it has ended.
    return verdict === undefined || verdict.result === 'unknown' ? 'finished' : verdict.result
  })

/** The handle of a job that was run here, or only logged: there is nothing left of it to cancel. */
export const endedJob = (id: string, disabled: boolean): Job => handle(id, disabled, async () => 'finished')
