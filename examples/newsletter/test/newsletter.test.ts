import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { type TestKit, testing } from 'ztask/testing'
import { readLines } from '../src/files.js'
import { tasks } from '../src/ztask/client.js'

let z: TestKit<typeof tasks>

beforeEach(async () => {
  rmSync('var', { recursive: true, force: true })
  z = await testing(tasks)
})
afterEach(() => z.close())

test('a card is charged at the third try, a second apart', async () => {
  await tasks.chargeCard.async('patron@example.com', 500)
  await z.drain()
  assert.equal(readLines('charges.txt').length, 1)
  await z.advance(1)
  assert.deepEqual(z.jobs.chargeCard, [['patron@example.com', 500]])
  await z.advance(1)
  assert.match(readLines('charges.txt').at(-1) ?? '', /run 3: charged$/)
  assert.deepEqual(z.succeeded.chargeCard, [['patron@example.com', 500]])
})

test('what the CRM does not take is kept as failed, with the reason', async () => {
  await tasks.syncCrm.async(42)
  await z.advance(60)
  const [failed] = z.failed.syncCrm
  assert.equal(failed?.attempts, 2)
  assert.equal(failed?.failure.cause?.message, '401 Unauthorized: POST /issues/42/readers')
})

test('a report counts the mails that were sent until then', async () => {
  await tasks.weeklyReport.after(7 * 24 * 3600, 42)
  for (const to of ['a@b.c', 'd@e.f']) await tasks.sendMail.async(to, 'The news')
  z.fail('sendMail', new Error('the mail server is down'))
  await z.advance(7 * 24 * 3600)
  assert.match(readLines('reports.txt').join(), /issue 42: 2 mails so far$/)
})
