/**
 * Loaded into a daemon before it starts: at the first SIGWINCH its master begins to measure how late its event loop is,
 * at the second it writes the result. With LOOP_THREAD its commits go to a thread.
 */
import cluster from 'node:cluster'
import { writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'

if (cluster.isPrimary && process.argv.includes('daemon')) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let measuring = false
  process.on('SIGWINCH', () => {
    if (!measuring) delay.enable()
    else {
      const [p50, p99, worst] = [delay.percentile(50), delay.percentile(99), delay.max].map((ns) => ns / 1e6)
      writeFileSync(process.env.LOOP_FILE, JSON.stringify({ p50, p99, worst }))
      delay.disable()
      delay.reset()
    }
    measuring = !measuring
  })
  if (process.env.LOOP_THREAD)
    registerHooks({
      resolve: (specifier, context, next) =>
        specifier === './sqlite.js' && context.parentURL?.endsWith('/store/database.js')
          ? { url: new URL('./thread-store.js', import.meta.url).href, shortCircuit: true }
          : next(specifier, context),
    })
}
