/**
 * Tortures a daemon and its clients, and tells whether anything that was acknowledged is lost.
 *
 *   npm run torture -- --minutes 10 --seed 7
 *   npm run torture -- --seconds 15 --json
 *   npm run torture -- --minutes 10 --database postgres --nodes 3    daemons that share a server
 *   npm run torture -- --seconds 15 --early-ack    must find losses: the daemon answers before it commits
 *
 * Exits 1 where a call is lost, a job ran twice without a reason, one is left, or a process ended by itself. Needs Linux; to fill a disk, root.
 */
import { parseArgs } from 'node:util'
import { freePorts } from '../test/harness/ports.ts'
import { Campaign, type CampaignReport } from './campaign.ts'
import { type Row, tableOf } from './table.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: `${Date.now() % 1_000_000}` },
    database: { type: 'string', default: 'sqlite' },
    nodes: { type: 'string', default: '3' },
    'early-ack': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const duration = (values.minutes === undefined ? Number(values.seconds) : Number(values.minutes) * 60) * 1000
const seed = Number(values.seed)

const rowsOf = ({
  acknowledged,
  ended,
  lost,
  repeats,
  done,
  rejected,
  refused,
  crashed,
  omitted,
  left,
}: CampaignReport): Row[] => {
  const reasons = Map.groupBy(repeats, ({ because }) => because ?? 'for no reason')
  return [
    ['calls acknowledged', acknowledged],
    ['jobs that have run', ended],
    ['lost', lost.length],
    ['left in the table at the end', left],
    ...Object.entries(rejected).map(([code, count]): Row => [`calls rejected: ${code}`, count]),
    ['starts refused, with a reason', refused],
    ['processes that ended by themselves', crashed.length],
    ['ran twice', repeats.length],
    ['of these at the same time', repeats.filter(({ overlaps }) => overlaps).length],
    ...[...reasons].map(([reason, all]): Row => [`ran twice: ${reason}`, all.length]),
    ...Object.entries(done).map(
      ([kind, count]): Row => [kind, omitted.some((one) => one === kind) ? 'left out' : count],
    ),
  ]
}

if (values.database !== 'sqlite' && values.database !== 'postgres')
  throw new Error('--database is sqlite or postgres.')
const nodes = values.database === 'sqlite' ? undefined : Number(values.nodes)
const options = { seed, duration, early: values['early-ack'], nodes }
const report = await Campaign.run(options, await freePorts(nodes ?? 1))
if (values.json) console.log(JSON.stringify(report))
else console.log(`seed ${seed}, ${duration / 1000} s\n${tableOf(rowsOf(report))}`)
const unexplained = report.repeats.filter(({ because }) => because === undefined)
for (const name of [...report.lost.slice(0, 10), ...unexplained.slice(0, 10).map((one) => one.name)])
  console.error(name)
for (const crash of report.crashed) console.error(crash)
const faults = report.lost.length + unexplained.length + report.left + report.crashed.length
process.exit(faults > 0 ? 1 : 0)
