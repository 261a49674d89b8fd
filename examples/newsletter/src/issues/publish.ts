import { task } from 'ztask'
import { appendLine } from '../files.js'

export interface Issue {
  readonly number: number
  readonly title: string
  /** A Date arrives as a Date. */
  readonly date: Date
}

/** Puts an issue on the web site; here it is a line in var/site.txt. */
export const publishIssue = task(({ number, title, date }: Issue) => {
  appendLine('site.txt', `${date.toISOString().slice(0, 10)}\tissue ${number}: ${title}`)
})
