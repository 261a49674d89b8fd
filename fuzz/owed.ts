/**
 * The answers that a connection is owed: one for each message, whatever is in it. None of ours is so large that the daemon
 * ends its connection (132 MB), nor do so many wait unread that it drops some (64). Bytes that are no messages go over
 * connections of their own, and are owed none.
 */
import type { Attack } from './messages.ts'

export class Owed {
  readonly #numbered = new Map<number, Attack>()
  /** Messages that have no number: nor have their answers, so one is as good as another. */
  #others = 0

  get count(): number {
    return this.#numbered.size + Math.max(0, this.#others)
  }

  sent(attack: Attack): void {
    if (attack.seq === undefined) this.#others++
    else this.#numbered.set(attack.seq, attack)
  }

  /** @returns the message that an answer of this number is to, where it has one of ours */
  answered(seq: number | undefined): Attack | undefined {
    const attack = seq === undefined ? undefined : this.#numbered.get(seq)
    if (seq === undefined || attack === undefined) this.#others--
    else this.#numbered.delete(seq)
    return attack
  }

  /** @returns the kinds of the messages that are not answered */
  left(): string[] {
    const numbered = [...this.#numbered.values()].map(({ kind }) => kind)
    return [...numbered, ...Array<string>(Math.max(0, this.#others)).fill('without a number')]
  }
}
