/** Whether the promise was kept: what was acknowledged, beside what ran. */
import type { Calls } from './calls.ts'
import { delivered, rowsOf } from './files.ts'
import type { FailedJob } from './ztask.ts'

export interface Row {
  readonly what: string
  readonly found: string
  readonly note: string
  readonly ok: boolean
}

const row = (what: string, found: string | number, note = '', ok = true): Row => ({
  what,
  found: String(found),
  note,
  ok,
})

/** @returns the summary, a row a fact; those that break the promise are not `ok` */
export const judge = (dir: string, calls: Calls, failed: readonly FailedJob[]): Row[] => [
  ...mails(dir, calls),
  ...others(dir, calls, failed),
]

const mails = (dir: string, calls: Calls): Row[] => {
  const counts = delivered(dir)
  const lost = [...calls.mails].filter((to) => !counts.has(to))
  const twice = [...counts.values()].filter((times) => times > 1).length
  const uncalled = [...counts.keys()].filter((to) => !calls.mails.has(to)).length
  const late = calls.underWay.filter((to) => calls.mails.has(to)).length
  const names = [...new Set(calls.rejected.values())].join(', ')
  const made = calls.mails.size + calls.rejected.size
  return [
    row('mails: calls made', made),
    row('  acknowledged', calls.mails.size, `${calls.storedAtDeath} before the kill`, calls.mails.size > 0),
    row(
      '  under way at the kill',
      calls.underWay.length,
      `${late} acknowledged later, sent again with the same ids`,
      calls.underWay.length > 0,
    ),
    row(
      '  resent by the application',
      calls.resent,
      calls.resent === 0 ? '' : 'after an OutcomeUnknownError',
    ),
    row('  rejected', calls.rejected.size, names),
    row('acknowledged and ran', calls.mails.size - lost.length),
    row('acknowledged and lost', lost.length, lost.slice(0, 3).join(', '), lost.length === 0),
    row('ran twice', twice, twice === 0 ? '' : 'they ran as the daemon died, before it was told'),
    ...(uncalled === 0 ? [] : [row('ran, not acknowledged', uncalled, 'stored, but the answer was lost')]),
  ]
}

const others = (dir: string, calls: Calls, failed: readonly FailedJob[]): Row[] => {
  const published = rowsOf(dir, 'site.txt').length
  const charges = rowsOf(dir, 'charges.txt').map(([, , what = '']) => what)
  const charged = charges.length === 3 && charges[2] === 'run 3: charged'
  const kept = failed.find(({ id }) => id === calls.stored.get('syncCrm')?.id)
  const others = failed.length - (kept === undefined ? 0 : 1)
  return [
    row('publishIssue, async', published > 0 ? 'ran' : 'lost', '', published > 0),
    delayed(dir, calls),
    row('chargeCard, fails twice', charged ? 'succeeded' : 'wrong', charges.join('; '), charged),
    row(
      'syncCrm, fails for good',
      kept === undefined ? 'lost' : 'failed',
      kept === undefined ? '' : `kept after ${kept.attempts} runs: ${kept.failure?.message}`,
      kept?.attempts === 2,
    ),
    ...(others === 0
      ? []
      : [row('failed beside it', others, failed.map(({ task }) => task).join(', '), false)]),
  ]
}

const delayed = (dir: string, calls: Calls): Row => {
  const what = 'weeklyReport, after 2 s'
  const [ran] = rowsOf(dir, 'reports.txt')[0] ?? []
  const called = calls.stored.get('weeklyReport')?.at
  if (ran === undefined || called === undefined) return row(what, 'lost', '', false)
  const after = Date.parse(ran) - called
  return row(what, 'ran', `${(after / 1000).toFixed(2)} s after the call`, after >= 2000)
}
