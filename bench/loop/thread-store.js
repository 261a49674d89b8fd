/** In place of src/store/open.ts: the store with its commits in a thread, on a connection of the thread's own. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { SqliteStore } from '../../dist/src/store/sqlite.js'

export { databaseFile } from '../../dist/src/store/open.js'

class ThreadStore extends SqliteStore {
  #thread
  #waiting = []

  constructor(file) {
    super(file)
    this.#thread = new Worker(new URL(import.meta.url), { workerData: { file }, execArgv: [], env: {} })
    this.#thread.on('message', ({ seqs, error }) => {
      const { batch, resolve, reject } = this.#waiting.shift()
      if (error !== undefined) return reject(error)
      // Only numbers come back: what was inserted is still here.
      resolve(
        batch.insert.flatMap((job, index) => {
          const seq = seqs[index]
          if (seq === 0) return []
          const { id, task, args, state, due, created, reason } = job
          const rest = { attempts: 0, failure: null, failures: [], failedAt: null, mark: null }
          return [{ id, task, args, state, due, created, reason, seq, ...rest }]
        }),
      )
    })
  }

  commit(batch) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject })
      // To remove a job its number is enough.
      this.#thread.postMessage({ ...batch, remove: batch.remove.map(({ seq }) => ({ seq })) })
    })
  }

  async close() {
    await this.#thread.terminate()
    await super.close()
  }
}

export const openStore = (file) => new ThreadStore(file)

if (!isMainThread && workerData?.file !== undefined) {
  const store = new SqliteStore(workerData.file)
  parentPort.on('message', async (batch) => {
    try {
      const inserted = await store.commit(batch)
      const byId = new Map(inserted.map(({ id, seq }) => [id, seq]))
      const seqs = Float64Array.from(batch.insert, ({ id }) => byId.get(id) ?? 0)
      parentPort.postMessage({ seqs }, [seqs.buffer])
    } catch (error) {
      parentPort.postMessage({ error })
    }
  })
}
