/**
 * What `npm run demo` of ztask runs: sends an issue while the daemon is killed at the worst moment, and prints what
 * became of each call, a JSON object a line.
 *
 * ZTASK_DEMO_DAEMON is the pid of the daemon that dies.
 */
import { OutcomeUnknownError } from 'ztask'
import type { Said } from './said.js'
import { readSubscribers, type Subscriber } from './subscribers.js'
import { tasks } from './ztask/client.js'

/** How many calls are under way at a time: the next begins when one ends. */
const AT_A_TIME = 50
/** The daemon dies a millisecond after this acknowledgement: the calls behind it have left, no answer has come. */
const FATAL = 400

const ISSUE = { number: 42, title: 'Background tasks', date: new Date() }

const say = (said: Said): void => console.log(JSON.stringify(said))

const underWay = new Set<string>()
let stored = 0

const enqueueMail = async ({ email, name }: Subscriber): Promise<void> => {
  underWay.add(email)
  try {
    const resent = await storeMail(email, `${ISSUE.title}, for ${name}`)
    say({ said: 'mail stored', to: email, resent })
    if (++stored === FATAL) setTimeout(killDaemon, 1)
  } catch (error) {
    say({ said: 'mail rejected', to: email, error: error instanceof Error ? error.name : String(error) })
  }
  underWay.delete(email)
}

/** Where no answer came, the same call is sent again, with its id: it is not stored twice. @returns whether it was */
const storeMail = async (to: string, subject: string): Promise<boolean> => {
  try {
    await tasks.sendMail.async(to, subject)
    return false
  } catch (error) {
    if (!(error instanceof OutcomeUnknownError)) throw error
    await error.resend()
    return true
  }
}

const killDaemon = (): void => {
  process.kill(Number(process.env.ZTASK_DEMO_DAEMON), 'SIGKILL')
  say({ said: 'killed', underWay: [...underWay] })
}

const first = async (task: string, call: () => Promise<{ readonly id: string }>): Promise<void> => {
  const at = Date.now()
  const { id } = await call()
  say({ said: 'stored', task, id, at })
}

await first('publishIssue', () => tasks.publishIssue.async(ISSUE))
await first('weeklyReport', () => tasks.weeklyReport.after(2, ISSUE.number))
await first('chargeCard', () => tasks.chargeCard.async('patron@example.com', 500))
await first('syncCrm', () => tasks.syncCrm.async(ISSUE.number))

const queue = readSubscribers().values()
const lane = async (): Promise<void> => {
  for (const subscriber of queue) await enqueueMail(subscriber)
}
await Promise.all(Array.from({ length: AT_A_TIME }, lane))
