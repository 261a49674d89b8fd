/** Numbers that decide what is generated. A shorter tape, and smaller numbers on it, make a simpler program. */
export class Tape {
  readonly #numbers: readonly number[]
  #at = 0

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers
  }

  /** @returns one of the options; the first, which should be the simplest, where the tape has ended. */
  pick<T>(options: readonly [T, ...T[]]): T {
    const number = this.#numbers[this.#at++] ?? 0
    return options[number % options.length] as T
  }

  /** @returns 0 to `most`. */
  count(most: number): number {
    return (this.#numbers[this.#at++] ?? 0) % (most + 1)
  }

  flip(): boolean {
    return this.pick([false, true])
  }
}
