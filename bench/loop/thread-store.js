/** In place of src/store/sqlite.ts: the store with its commits in a thread, on a connection of the thread's own. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { storedOf } from '../../dist/src/store/row.js'
import { SqliteStore } from '../../dist/src/store/sqlite.js'

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
      const inserted = batch.insert.flatMap((job, index) =>
        seqs[index] === 0 ? [] : storedOf(job, seqs[index], null),
      )
      resolve({ inserted, lost: [] })
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

export { ThreadStore as SqliteStore }

if (!isMainThread && workerData?.file !== undefined) {
  const store = new SqliteStore(workerData.file)
  parentPort.on('message', async (batch) => {
    try {
      const { inserted } = await store.commit(batch)
      const byId = new Map(inserted.map(({ id, seq }) => [id, seq]))
      const seqs = Float64Array.from(batch.insert, ({ id }) => byId.get(id) ?? 0)
      parentPort.postMessage({ seqs }, [seqs.buffer])
    } catch (error) {
      parentPort.postMessage({ error })
    }
  })
}
