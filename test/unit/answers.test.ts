import { expect, onTestFinished, test } from 'vitest'
import { type Answer, Answers, MOST_LATE } from '../../src/daemon/ingress/answers.ts'
import { until } from '../harness/until.ts'

const made = () => {
  const full = new Set<string>()
  const taken: string[] = []
  const dropped: string[] = []
  let tries = 0
  const send = async ([client, ...frames]: (Buffer | string)[]): Promise<void> => {
    tries++
    if (String(client) === 'gone') throw Object.assign(new Error('no route'), { code: 'EHOSTUNREACH' })
    if (full.has(String(client))) throw Object.assign(new Error('full'), { code: 'EAGAIN' })
    taken.push(`${client} ${frames.map((frame) => frame.slice(0, 9)).join()}`)
  }
  const answers = new Answers({ send }, (error) => dropped.push(error.message))
  onTestFinished(() => answers.close())
  const put = (client: string, ...frames: string[]): void => {
    const answer: Answer = [Buffer.from(client), ...frames]
    answers.put(answer)
  }
  return { answers, full, taken, dropped, put, tries: () => tries }
}

test('what a client at its mark does not take is tried again, in its order, and holds up no other', async () => {
  const { full, taken, dropped, put } = made()
  full.add('slow')
  for (let i = 0; i < 100; i++) {
    put('slow', `${i}`)
    put('quick', `${i}`)
  }
  await until('the others to have theirs', () => taken.length === 100)
  expect(taken.every((one) => one.startsWith('quick'))).toBe(true)
  full.clear()
  put('slow', '100')
  await until('all to be taken', () => taken.length === 201)
  expect(taken.slice(100)).toEqual(Array.from({ length: 101 }, (_, i) => `slow ${i}`))
  expect(dropped).toEqual([])
})

test('of a client that never reads so many bytes are kept, however often they are tried, and the rest is dropped', async () => {
  const { answers, full, taken, dropped, put, tries } = made()
  full.add('deaf')
  for (let i = 0; i < 50; i++) put('deaf', 'x'.repeat(MOST_LATE / 10))
  await until('it to be tried again', () => tries() > 5)
  expect(dropped).toEqual(Array(41).fill('The client does not read its answers.'))
  // A look at whether it reads costs one try and not nine.
  expect(tries()).toBeLessThan(9)
  await answers.close()
  expect(dropped.slice(41)).toEqual(Array(9).fill('The door is closed.'))
  expect(taken).toEqual([])
})

test('an answer that alone is larger waits too, and one to a client that has gone is told', async () => {
  const { full, taken, dropped, put } = made()
  full.add('slow')
  put('slow', 'large', 'x'.repeat(2 * MOST_LATE))
  put('gone', 'y')
  await until('that to be told', () => dropped.length > 0)
  full.clear()
  await until('it to be taken', () => taken.length > 0)
  expect([taken, dropped]).toEqual([['slow large,xxxxxxxxx'], ['no route']])
})
