import { readFileSync } from 'node:fs'

export interface Subscriber {
  readonly email: string
  readonly name: string
}

/** Reads data/subscribers.csv: a line of titles, then `email,name`. */
export const readSubscribers = (file = 'data/subscribers.csv'): Subscriber[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [email = '', name = ''] = line.split(',')
      return { email, name }
    })
