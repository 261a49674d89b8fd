import { expect, test } from 'vitest'
import { Presence } from '../../src/client/presence.ts'

/** A daemon that has answered once, and then says nothing for so long, ms, while so many jobs wait for their answer. */
const afterSilence = (silence: number, jobs: number): Presence => {
  const presence = new Presence()
  presence.begin(0)
  presence.heard()
  for (let now = 20; now <= silence; now += 20) presence.tick(now, jobs)
  return presence
}

test('a daemon that says nothing for a second is away, but not while it stores a batch', () => {
  expect(afterSilence(1000, 1).answering).toBe(false)
  expect(afterSilence(1000, 50_000)).toMatchObject({ answering: true, away: 0 })
  expect(afterSilence(3000, 50_000).answering).toBe(false)
})

test('time in which this process was blocked counts as a tick', () => {
  const presence = new Presence()
  presence.begin(0)
  presence.heard()
  presence.tick(60_000, 0)
  expect(presence.answering).toBe(true)
  expect(presence.time).toBe(100)
})
