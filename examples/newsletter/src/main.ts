/** Sends an issue of the newsletter: `npm start`, with `npx ztask daemon` in another terminal. */
import { readSubscribers } from './subscribers.js'
import { tasks } from './ztask/client.js'

const issue = { number: 42, title: 'Background tasks', date: new Date() }
const subscribers = readSubscribers()

await tasks.publishIssue.async(issue)
await tasks.weeklyReport.after(5, issue.number)
await tasks.chargeCard.async('patron@example.com', 500)
await tasks.syncCrm.async(issue.number)

// Calls made together travel together. Each resolves when its job is on disk, and each fails alone.
const calls = subscribers.map(({ email, name }) => tasks.sendMail.async(email, `${issue.title}, for ${name}`))
const ended = await Promise.allSettled(calls)
const stored = ended.filter(({ status }) => status === 'fulfilled').length

console.log(`${stored} of ${subscribers.length} mails are stored, and will be sent.`)
