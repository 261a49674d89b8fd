/**
 * Answers on their way out. A client that asks and never reads costs a bounded part of the master's memory, and holds up
 * the answers of no other.
 */
import { Outbox, type Writable } from '../../wire/outbox.ts'

/** The client's identity, and what it is sent. */
export type Answer = readonly [client: Buffer, ...frames: string[]]

/**
 * Answers to one client that ZeroMQ holds. It counts them and not their bytes, so that what one client can hold is this
 * many times the largest answer. It knows of every half mark only that they have left: 32 fit whatever it knows, and a
 * client of ours has 32 messages in flight at most.
 *
 * RSS of the master, MiB, with a client that reads nothing: with a mark of 10,000 and answers of any size 60 lists of
 * 30 MB took it from 132 to 907, 500 messages of 10,000 jobs that are none from 101 to 170, and growing; now as many
 * pages of that list take it from 132 to 168, and those messages from 99 to 118.
 */
export const MARK = 64
/** Bytes of answers to one client beyond the mark, which wait here and are tried again; what exceeds them is dropped. */
export const MOST_LATE = 2 * 2 ** 20
/** Between two tries, ms. */
const PAUSE = 10

/** What waits for one client. */
interface Late {
  readonly answers: Answer[]
  bytes: number
}

export class Answers {
  readonly #socket: Writable<(Buffer | string)[]>
  readonly #dropped: (error: Error) => void
  readonly #outbox: Outbox<Answer>
  /** By client. */
  readonly #late = new Map<string, Late>()
  #timer: NodeJS.Timeout | undefined

  /** @param dropped told of each answer that its client does not get */
  constructor(socket: Writable<(Buffer | string)[]>, dropped: (error: Error) => void) {
    this.#socket = socket
    this.#dropped = dropped
    this.#outbox = new Outbox<Answer>({ send: (answer) => this.#send(answer) }, (answer, error) =>
      this.#unsent(answer, error),
    )
  }

  put(answer: Answer): void {
    this.#outbox.put(answer)
  }

  /** Gives to the socket what it takes, and drops the rest. */
  async close(): Promise<void> {
    await this.#outbox.flushed()
    clearTimeout(this.#timer)
    for (const { answers } of this.#late.values())
      for (const _ of answers) this.#dropped(new Error('The door is closed.'))
    this.#late.clear()
  }

  async #send(answer: Answer): Promise<void> {
    // What is put later does not overtake.
    if (this.#late.has(clientOf(answer))) this.#keep(answer)
    else await this.#socket.send([...answer])
  }

  #unsent(answer: Answer, error: Error): void {
    // EAGAIN: its client is at the mark. Anything else, and it has gone.
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') this.#keep(answer)
    else this.#dropped(error)
  }

  #keep(answer: Answer): void {
    const client = clientOf(answer)
    const late = this.#late.get(client) ?? { answers: [], bytes: 0 }
    const bytes = late.bytes + sizeOf(answer)
    if (late.answers.length > 0 && bytes > MOST_LATE)
      return this.#dropped(new Error('The client does not read its answers.'))
    late.answers.push(answer)
    late.bytes = bytes
    this.#late.set(client, late)
    this.#timer ??= setTimeout(() => this.#tryAgain(), PAUSE)
  }

  #tryAgain(): void {
    this.#timer = undefined
    const waiting = [...this.#late.values()]
    this.#late.clear()
    for (const { answers } of waiting) for (const answer of answers) this.#outbox.put(answer)
  }
}

const clientOf = ([client]: Answer): string => client.toString('latin1')

const sizeOf = (answer: Answer): number => answer.reduce((sum, { length }) => sum + length, 0)
