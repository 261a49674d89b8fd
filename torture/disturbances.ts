/** What is done to the system, and when: all of it follows from a seed. */
import { generator } from './generator.ts'

/** What is done to any system, each with how often it comes, compared with the others. */
const ANYWHERE = {
  'kill worker': 11,
  'kill master': 4,
  'kill client': 1,
  'freeze worker': 2,
  'freeze master': 1,
  'freeze client': 1,
  reload: 1,
  'cut connections': 2,
  'hold up connections': 2,
  'step clock': 1,
} as const
const ON_A_FILE = { ...ANYWHERE, 'lock database': 1, 'fill disk': 1 } as const
const ON_A_SERVER = { ...ANYWHERE, 'kill server': 1, 'terminate connection': 3, 'cut node off': 2 } as const

export type Kind = keyof typeof ON_A_FILE | keyof typeof ON_A_SERVER

const weightsOf = (onServer: boolean): readonly (readonly [Kind, number])[] =>
  Object.entries(onServer ? ON_A_SERVER : ON_A_FILE) as [Kind, number][]

export const kindsOf = (onServer: boolean): Kind[] => weightsOf(onServer).map(([kind]) => kind)

export interface Disturbance {
  readonly kind: Kind
  /** ms after the one before. */
  readonly after: number
  /** 0 to 1: how long, how far, which. */
  readonly size: number
  readonly pick: number
}

/** The mean time between two, ms. */
const PACE = 700

/** Of freezes and outages: at least, and as much more at most, ms. */
const USUAL = [50, 2000] as const
/** Of some of the locks: the daemon waits 4 s before it refuses calls, and 5 s before its start is refused. */
const LONG = [5000, 3000] as const
/** Of some of what stops a node: its lease of 2 s is over then. */
const BEYOND = [2500, 2500] as const
const SHARE_OF_LONG = 0.4

/** @returns how long it lasts, ms, where it lasts at all */
export const durationOf = ({ kind, size, pick }: Disturbance, onServer = false): number => {
  const stopsNode = onServer && (kind === 'freeze master' || kind === 'cut node off')
  const long = kind === 'lock database' ? LONG : stopsNode ? BEYOND : USUAL
  const [least, more] = pick < SHARE_OF_LONG ? long : USUAL
  return least + size * more
}

/** First each kind once, in an order of the seed's, so that a short campaign has all; then by their weights. */
export function* schedule(seed: number, onServer = false): Generator<Disturbance> {
  const next = generator(seed)
  const weights = weightsOf(onServer)
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0)
  const drawn = (): Kind => {
    let left = next() * total
    for (const [kind, weight] of weights) {
      left -= weight
      if (left < 0) return kind
    }
    return 'kill worker'
  }
  const first = kindsOf(onServer)
    .map((kind) => ({ kind, turn: next() }))
    .toSorted((a, b) => a.turn - b.turn)
  for (let index = 0; ; index++)
    yield {
      kind: first[index]?.kind ?? drawn(),
      after: -Math.log(1 - next()) * PACE,
      size: next(),
      pick: next(),
    }
}
