/**
 * Reloads a daemon a hundred times under a load of calls, and tells whether anything is lost, fails, or runs old code.
 *
 *   npm run reloads -- --count 100 --rate 500
 *   npm run reloads -- --count 10 --json
 *
 * Exits 1 where that is so, or where the master holds more after the last than after the fifth. Needs Linux.
 */
import { parseArgs } from 'node:util'
import { freePort } from '../bench/machine.ts'
import { quantile } from '../bench/statistics.ts'
import { tableOf } from '../torture/table.ts'
import { type Holdings, reload } from './campaign.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100' },
    rate: { type: 'string', default: '500' },
    json: { type: 'boolean', default: false },
  },
})

const report = await reload({
  reloads: Number(values.count),
  rate: Number(values.rate),
  url: `tcp://127.0.0.1:${await freePort()}`,
})
const { acknowledged, lost, failed, repeated, onOldCode, took, early, late } = report
const held = ({ megabytes, files, processes }: Holdings): string =>
  `${Math.round(megabytes)} MiB, ${files} files, ${processes} processes`
if (values.json) console.log(JSON.stringify(report))
else
  console.log(
    tableOf([
      ['reloads', took.length],
      ['calls acknowledged', acknowledged],
      ['lost', lost.length],
      ['failed', failed],
      ['ran twice', repeated.length],
      ['began on code that had been replaced', onOldCode.length],
      ['from a save until new jobs run it, p50', `${Math.round(quantile(took, 0.5))} ms`],
      ['p99', `${Math.round(quantile(took, 0.99))} ms`],
      ['the master after five', held(early)],
      ['after the last', held(late)],
    ]),
  )
for (const one of onOldCode.slice(0, 10)) console.error(one)
// Within noise: a leak of one file or half a megabyte a reload is far beyond it after a hundred.
const grows =
  late.processes > early.processes || late.files > early.files + 5 || late.megabytes > 1.3 * early.megabytes
process.exit(grows || lost.length + failed + repeated.length + onOldCode.length > 0 ? 1 : 0)
