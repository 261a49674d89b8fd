/** What a commit is made of, and what it is halved by: a unit is written as a whole or not at all. */
import type { StorageError } from '../../model/errors.ts'
import type { Job, NewJob } from '../../model/job.ts'
import type { Batch } from '../../store/store.ts'

/** A new job that is not stored, by its place among those that came with it, and why. */
export type NotStored = readonly [index: number, error: StorageError]

/** Jobs that arrived in one message, and who waits for them to be on disk. */
export interface Arrival {
  readonly jobs: readonly NewJob[]
  /** Told which of the jobs are not stored. */
  readonly answer: (notStored: readonly NotStored[]) => void
  /** They are stored all of them or none. */
  readonly together: boolean
  /** Told where the answer may take as long as the disk does: others are not to wait for it. */
  readonly waits?: (() => void) | undefined
}

/** Who waits for a mark: its run goes on meanwhile, or is about to begin. */
export interface Marking {
  readonly stored: () => void
  /** Another daemon has the job. */
  readonly lost: () => void
  /** The database does not take it, and never will. */
  readonly refused: (error: Error) => void
}

/** A job as it goes on, or `undefined` where it is no more. */
export interface Change {
  readonly job: Job
  readonly next: Job | undefined
  /** Where there is none its run is over. */
  readonly marking: Marking | undefined
  /** What the database did not take: this fails the job in its place. */
  readonly instead: Change | undefined
  /** Why it was stuck; it is tried again. */
  readonly stuckBy: Error | undefined
}

export type Unit =
  | {
      readonly kind: 'new'
      readonly arrival: Arrival
      readonly first: number
      readonly jobs: readonly NewJob[]
    }
  | { readonly kind: 'change'; readonly change: Change }

export const unitsOf = (arrivals: readonly Arrival[], changes: readonly Change[]): readonly Unit[] => [
  ...arrivals.flatMap((arrival): Unit[] => {
    const { jobs, together } = arrival
    if (together) return [{ kind: 'new', arrival, first: 0, jobs }]
    return jobs.map((job, first) => ({ kind: 'new', arrival, first, jobs: [job] }))
  }),
  ...changes.map((change): Unit => ({ kind: 'change', change })),
]

export const batchOf = (units: readonly Unit[]): Batch => ({
  insert: units.flatMap((unit) => (unit.kind === 'new' ? unit.jobs : [])),
  ...changesIn(units.flatMap((unit) => (unit.kind === 'change' ? unit.change : []))),
})

/** @returns what changes make of jobs, as a batch has it */
export const changesIn = (changes: readonly Change[]): Required<Pick<Batch, 'save' | 'mark' | 'remove'>> => {
  const save: Job[] = []
  const mark: Job[] = []
  const remove: Job[] = []
  for (const { job, next, marking } of changes) {
    if (next === undefined) remove.push(job)
    else if (marking === undefined) save.push(next)
    else mark.push(next)
  }
  return { save, mark, remove }
}
