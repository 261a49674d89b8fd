import { setTimeout as sleep } from 'node:timers/promises'
import { task } from 'ztask'
import { appendLine } from '../files.js'

/** How long the mail server takes, ms. */
const SMTP = 20

/**
 * Sends a mail. Here it appends a line to var/outbox.txt, so that what was delivered can be counted.
 *
 * @param to the address
 * @param subject one line
 */
export const sendMail = task(async (to: string, subject: string) => {
  await sleep(SMTP)
  appendLine('outbox.txt', `${to}\t${subject}`)
})
