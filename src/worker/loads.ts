/**
 * Whether a job loads the module of its task. Meanwhile no other begins whose task is not there yet: it stays in stock,
 * from where it can be called back, for what is loaded may compute as soon as it can, and for long.
 */

/** For so long, ms. A module that never comes to an end at its top level takes the slots of its own jobs, and no others. */
const PATIENCE = 1000

export class Loads {
  readonly #over: () => void
  #count = 0
  #patience: NodeJS.Timeout | undefined

  /** @param over told when the others may begin */
  constructor(over: () => void) {
    this.#over = over
  }

  /** Whether the others wait. */
  get holds(): boolean {
    return this.#patience !== undefined
  }

  /** A job loads a module. @returns tells that it no longer does, once or more */
  begin(): () => void {
    if (this.#count++ === 0) this.#patience = setTimeout(() => this.#open(), PATIENCE)
    let ended = false
    return () => {
      if (ended) return
      ended = true
      if (--this.#count === 0) this.#open()
    }
  }

  #open(): void {
    if (this.#patience === undefined) return
    clearTimeout(this.#patience)
    this.#patience = undefined
    this.#over()
  }
}
