/** What one scenario measures, and the bar beside it. */
import type { Contestant, Session, Setup } from './contestant.ts'
import type { Witness } from './witness.ts'

/** Several peers have better figures in one scenario than in another: a bar is of the best at full durability. */
export interface Bar {
  /** Times the best durable peer; 1 asks to be better than it. */
  readonly times?: number
  /** The figure itself, whatever the peers do. */
  readonly absolute?: number
  /** What the best durable peer reached on a machine like ours, where no peer is in the run. */
  readonly reference?: number
}

export interface Measure {
  readonly title: string
  readonly unit: string
  readonly better: 'more' | 'less'
  readonly digits: number
  readonly bar?: Bar
}

/** Opens the contestant under measurement, and closes it at the end of `use`. */
export type Open = <T>(
  setup: Pick<Setup, 'held' | 'tuning'>,
  use: (session: Session) => Promise<T>,
) => Promise<T>

export interface Trial {
  readonly contestant: Contestant
  readonly open: Open
  readonly witness: Witness
  /** Few jobs: a look whether all works, no measurement. */
  readonly small: boolean
}

export interface Scenario {
  readonly id: string
  readonly title: string
  /** One sample however many runs: it takes long and varies little. */
  readonly once?: boolean
  readonly measures: readonly Measure[]
  /** @returns a figure for each measure */
  run(trial: Trial): Promise<readonly number[]>
}
