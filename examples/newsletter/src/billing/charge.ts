import { task } from 'ztask'
import { appendLine, readLines } from '../files.js'

/** The run at which the payment provider answers. */
const ANSWERS_AT = 3

/**
 * Charges a customer's card. The payment provider of this example times out twice and then answers: each run is a line
 * in var/charges.txt, and a second later comes the next.
 *
 * @param customer the customer's address
 * @param cents how much
 */
export const chargeCard = task({ retryAfter: 1 }, (customer: string, cents: number) => {
  const runs = readLines('charges.txt').filter((line) => line.startsWith(`${customer}\t`)).length + 1
  const charged = runs >= ANSWERS_AT
  appendLine('charges.txt', `${customer}\t${cents}\trun ${runs}: ${charged ? 'charged' : 'timed out'}`)
  if (!charged) throw new Error('the payment provider timed out')
})
