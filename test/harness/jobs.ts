import type { Job, NewJob } from '../../src/model/job.ts'

/** A call that says nothing but its task's name. */
export const newJobOf = (id: string, more: Partial<NewJob> = {}): NewJob => ({
  ...{ id, task: 't', args: '[]', due: 0, created: 0, priority: 0 },
  ...{ state: 'queued', reason: null, awaited: null, options: null },
  ...more,
})

/** The same when it is stored, and nothing else has become of it. */
export const jobOf = (seq: number, more: Partial<Job> = {}): Job => ({
  ...newJobOf(`job ${seq}`),
  ...{ seq, attempts: 0, failure: null, failures: [], failedAt: null, mark: null },
  ...{ result: null, expires: null, kept: null, claim: null },
  ...more,
})
