import { task } from 'ztask'
import { appendLine, readLines } from '../files.js'

/**
 * Counts the mails sent so far.
 *
 * @param issue the number of the issue
 */
export const weeklyReport = task((issue: number) => {
  const mails = readLines('outbox.txt').length
  appendLine('reports.txt', `${new Date().toISOString()}\tissue ${issue}: ${mails} mails so far`)
})
