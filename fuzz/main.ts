/**
 * Sends a daemon what no client would, over messages, connections and bytes, with an honest client beside.
 *
 *   npm run fuzz -- --minutes 10 --seed 7
 *   npm run fuzz -- --seconds 8 --json
 *
 * Exits 1 where the daemon ends or takes 300 MiB, leaves a message unanswered, an honest call is rejected or its job does
 * not run, or a job is stored that was not accepted. Needs Linux.
 */
import { parseArgs } from 'node:util'
import { freePort } from '../bench/machine.ts'
import { type Row, tableOf } from '../torture/table.ts'
import { FuzzCampaign, type FuzzReport } from './campaign.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    json: { type: 'boolean', default: false },
  },
})

const duration = (values.minutes === undefined ? Number(values.seconds) : Number(values.minutes) * 60) * 1000
const seed = Number(values.seed)
/** MiB */
const MOST_MEMORY = 300

const unanswered = (report: FuzzReport): number =>
  Object.values(report.unanswered).reduce((sum, count) => sum + count, 0)

const rowsOf = (report: FuzzReport): Row[] => {
  const [p50, p99, longest] = report.latency.map((ms) => `${ms.toFixed(1)} ms`)
  return [
    ...Object.entries(report.sent).map(([kind, count]): Row => [`sent: ${kind}`, count]),
    ...Object.entries(report.answers).map(([kind, count]): Row => [`answered: ${kind}`, count]),
    ['not answered', unanswered(report)],
    ...Object.entries(report.unanswered).map(([kind, count]): Row => [`not answered: ${kind}`, count]),
    ['connections, of bytes alone', report.connections],
    ['the most at once', report.mostOpen],
    ['crashes', report.crash === undefined ? 0 : 1],
    [`peak memory of the master (below ${MOST_MEMORY})`, `${Math.round(report.memory)} MiB`],
    ['stored and not accepted', report.strangers.length],
    ['honest calls', report.honest],
    ['rejected', report.rejected.length],
    ['not run', report.missing],
    ['honest call, p50 / p99 / longest', `${p50} / ${p99} / ${longest}`],
  ]
}

const report = await new FuzzCampaign(seed, duration, await freePort()).run()
if (values.json) console.log(JSON.stringify(report))
else console.log(`seed ${seed}, ${duration / 1000} s\n${tableOf(rowsOf(report))}`)
for (const fault of [report.crash, ...report.rejected.slice(0, 5), ...report.strangers.slice(0, 5)])
  if (fault !== undefined) console.error(fault)
const faults = report.rejected.length + report.strangers.length + report.missing + unanswered(report)
process.exit(report.crash !== undefined || report.memory >= MOST_MEMORY || faults > 0 ? 1 : 0)
