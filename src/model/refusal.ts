/** What a daemon does not serve, by reason: the keys of `refused` in `ztask status --json`. */
export const REFUSAL_REASONS = Object.freeze([
  /** A connection that does not speak ZeroMQ, a browser's say; or has no keys, where they are needed. */
  'handshake',
  /** A client whose public key is not listed. */
  'key',
  'malformed',
  /** Of the protocol. */
  'version',
  'project',
  'payload',
  'task',
] as const)

export type RefusalReason = (typeof REFUSAL_REASONS)[number]

export type RefusalCounts = Readonly<Record<RefusalReason | 'total', number>>

/** What is told of one reason: how many since it was told before, the latest of them, and all of all reasons since the start. */
export interface RefusalReport {
  readonly fresh: number
  readonly latest: Error
  readonly counts: RefusalCounts
}
