/** Stands for the pool of your database's library, with as much of it as the example needs; it writes down what it does. */
import { appendFileSync } from 'node:fs'

const say = (what: string): void => appendFileSync('pool.log', `${process.pid} ${what}\n`)

export class Pool {
  #open = false

  async connect(): Promise<void> {
    this.#open = true
    say('open')
  }

  async query(text: string, values: readonly string[]): Promise<void> {
    if (!this.#open) throw new Error('the pool is closed')
    say(`${text} ${values.join()}`)
  }

  async end(): Promise<void> {
    this.#open = false
    say('close')
  }
}
